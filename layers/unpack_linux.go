package layers

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// findings are what a tar says that can't be done before the layers below are
// known.
type findings struct {
	whiteouts  []string // clean names of the whiteouts that were made
	rootOpaque bool
	size       int64
}

// unpacker makes the entries of one tar in one tree.
type unpacker struct {
	tree *tree
	findings
	uid, gid int // what a new file gets by itself
	buf      []byte
}

// sparseBlock is the unit in which holes are looked for: most filesystems'
// block.
const sparseBlock = 4096

func newUnpacker(t *tree) *unpacker {
	return &unpacker{tree: t, uid: os.Geteuid(), gid: os.Getegid(), buf: make([]byte, 32*sparseBlock)}
}

// item is one entry of the tar and its place in the tree.
type item struct {
	*tar.Header
	body io.Reader
	dir  *dir
	base string
}

// unpack makes all entries of r and reads r to its end.
func (u *unpacker) unpack(ctx context.Context, r io.Reader) error {
	// The tar reader asks for 512 bytes at a time.
	br := bufio.NewReaderSize(r, 64<<10)
	tr := tar.NewReader(br)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		hdr, err := tr.Next()
		if err == io.EOF {
			break
		}
		// Insecure paths are this package's own business.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read the tar: %w", err)
		}
		if err := u.entry(ctx, hdr, tr); err != nil {
			return fmt.Errorf("entry %q: %w", hdr.Name, err)
		}
	}
	if err := u.tree.leave(); err != nil {
		return err
	}
	// Whoever made r has seen the whole stream, and so can judge it, only when
	// what follows the archive is read too.
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, err := fill(br, u.buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read past the tar: %w", err)
		}
	}
}

func (u *unpacker) entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	k, parent, base, err := classify(name)
	if err != nil || k == ignored {
		return err
	}
	if base == "" {
		return u.rootDir(hdr)
	}
	d, err := u.tree.enter(parent)
	if err != nil {
		return err
	}
	switch k {
	case whiteout:
		return u.whiteOut(d, base)
	case opaque:
		return u.markOpaque(d)
	}
	it := item{Header: hdr, body: body, dir: d, base: base}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return u.file(ctx, it)
	case tar.TypeDir:
		return u.directory(it)
	case tar.TypeLink:
		if err := u.hardLink(it); err != nil {
			return fmt.Errorf("hard link to %q: %w", hdr.Linkname, err)
		}
		return nil
	case tar.TypeSymlink:
		return it.special(func() error {
			return os.NewSyscallError("symlinkat", unix.Symlinkat(hdr.Linkname, d.fd, base))
		})
	case tar.TypeFifo:
		return it.node(unix.S_IFIFO)
	case tar.TypeChar:
		return it.node(unix.S_IFCHR)
	case tar.TypeBlock:
		return it.node(unix.S_IFBLK)
	}
	return fmt.Errorf("type %q has no place in a layer", hdr.Typeflag)
}

// rootDir gives the layer's root its metadata.
func (u *unpacker) rootDir(hdr *tar.Header) error {
	if hdr.Typeflag != tar.TypeDir {
		return errors.New("the layer's root is not a directory")
	}
	// Left later, the root would get back the time that it has now.
	if err := u.tree.leave(); err != nil {
		return err
	}
	m, err := metadataOf(hdr)
	if err != nil {
		return err
	}
	delete(u.tree.implied, "")
	return m.apply(u.tree.root, ".", false)
}

func (u *unpacker) directory(it item) error {
	m, err := metadataOf(it.Header)
	if err != nil {
		return err
	}
	if _, err := it.dir.mkdir(it.base); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	delete(u.tree.implied, path.Join(it.dir.name, it.base))
	return m.apply(it.dir.fd, it.base, false)
}

// special makes what has no contents and is not a directory.
func (it item) special(make func() error) error {
	m, err := metadataOf(it.Header)
	if err != nil {
		return err
	}
	if err := it.dir.create(it.base, make); err != nil {
		return err
	}
	return m.apply(it.dir.fd, it.base, it.Typeflag == tar.TypeSymlink)
}

// node makes a fifo or a device.
func (it item) node(format uint32) error {
	var dev uint64
	if format != unix.S_IFIFO {
		// The kernel's numbers have 12 and 20 bits.
		if it.Devmajor < 0 || it.Devmajor >= 1<<12 || it.Devminor < 0 || it.Devminor >= 1<<20 {
			return fmt.Errorf("device number %d:%d out of range", it.Devmajor, it.Devminor)
		}
		dev = unix.Mkdev(uint32(it.Devmajor), uint32(it.Devminor))
	}
	if format == unix.S_IFCHR && dev == 0 {
		return errors.New("character device 0:0 is overlayfs's own whiteout")
	}
	return it.special(func() error {
		err := unix.Mknodat(it.dir.fd, it.base, format|0o600, int(dev))
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("mknodat requires CAP_MKNOD in the first user namespace: %w", err)
		}
		return os.NewSyscallError("mknodat", err)
	})
}

// hardLink gives a file of this layer one more name. The metadata are the
// file's already.
func (u *unpacker) hardLink(it item) (err error) {
	target, err := cleanName(it.Linkname)
	if err != nil {
		return err
	}
	from := it.dir
	if parent := parentOf(target); parent != from.name {
		clean, err := u.tree.resolve(parent, false)
		if err == nil {
			from, err = u.tree.openDir(clean)
		}
		if errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("it is not in this layer: %w", err)
		}
		if err != nil {
			return err
		}
		defer unix.Close(from.fd)
	}
	base := path.Base(target)
	st, err := from.stat(base)
	if errors.Is(err, unix.ENOENT) || err == nil && isWhiteout(st) {
		return fmt.Errorf("it is not in this layer: %w", unix.ENOENT)
	}
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return errors.New("it is a directory")
	}
	// A file must not make room for a link to itself.
	if now, err := it.dir.stat(it.base); err == nil && now.Ino == st.Ino {
		return nil
	}
	return it.dir.create(it.base, func() error {
		return os.NewSyscallError("linkat", unix.Linkat(from.fd, base, it.dir.fd, it.base, 0))
	})
}

func (u *unpacker) file(ctx context.Context, it item) (err error) {
	m, err := metadataOf(it.Header)
	if err != nil {
		return err
	}
	d, fd := it.dir, -1
	err = d.create(it.base, func() (err error) {
		fd, err = unix.Openat(d.fd, it.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return os.NewSyscallError("openat", err)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.NewSyscallError("close", unix.Close(fd))) }()
	if isSparse(it.Header) {
		err = u.copySparse(ctx, fd, it)
	} else {
		err = u.copy(ctx, fd, it)
	}
	if err != nil {
		return err
	}
	u.size += it.Size
	// A new file has the group of the process, or of the directory where that
	// is set-group-ID or the filesystem mounted with grpid.
	if m.uid != u.uid || m.gid != u.gid || m.gid != int(d.gid) {
		if err := unix.Fchown(fd, m.uid, m.gid); err != nil {
			return os.NewSyscallError("fchown", err)
		}
	}
	// After chown, which takes the set-ID bits and the capabilities away.
	if err := unix.Fchmod(fd, m.mode); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	return m.applyRest(d.fd, it.base)
}

// copy writes a file's contents in as few calls as the buffer allows.
func (u *unpacker) copy(ctx context.Context, fd int, it item) error {
	for ctx.Err() == nil {
		n, err := fill(it.body, u.buf)
		if werr := write(fd, u.buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// copySparse leaves out the blocks of zeros that the tar reader has put where
// the file has holes.
func (u *unpacker) copySparse(ctx context.Context, fd int, it item) error {
	// First, so that a size beyond the filesystem's limit fails at once.
	if err := unix.Ftruncate(fd, it.Size); err != nil {
		return fmt.Errorf("ftruncate to %d bytes: %w", it.Size, err)
	}
	var zero [sparseBlock]byte
	for ctx.Err() == nil {
		n, err := fill(it.body, u.buf)
		for rest := u.buf[:n]; len(rest) > 0; {
			block := rest[:min(sparseBlock, len(rest))]
			rest = rest[len(block):]
			if !bytes.Equal(block, zero[:len(block)]) {
				if werr := write(fd, block); werr != nil {
					return werr
				}
				continue
			}
			if _, err := unix.Seek(fd, int64(len(block)), io.SeekCurrent); err != nil {
				return os.NewSyscallError("lseek", err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// isSparse says whether the tar tells of holes in a file, in GNU's old form or
// one of the three in PAX records.
func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// fill reads until buf is full or r ends, with io.EOF only at the very end.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func write(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("write", err)
		}
		p = p[n:]
	}
	return nil
}
