package layers

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Destination is a directory in a live tree, which others may change meanwhile.
// Names are looked up with Root as /, by openat2(2): no link leads out of it.
type Destination struct {
	Root *os.File
	Dir  string // below Root, with its links followed; it is there
	// Owned says that files keep the owners that the tar tells; else they are of
	// whoever extracts them.
	Owned bool
}

// Extract makes the entries of a tar in a directory and reads r to its end. A file
// that is there is replaced by one that is none of a directory; a directory stays,
// with what is in it. Names of whiteouts have no meaning here. What was extracted
// before an error stays. The errors about directories that are to take the place of
// files, and the reverse, are docker's.
func Extract(ctx context.Context, r io.Reader, to Destination) error {
	e := extraction{Destination: to, unpacker: unpacker{uid: os.Geteuid(), gid: os.Getegid(), buf: make([]byte, 32*sparseBlock)}}
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
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read the tar: %w", err)
		}
		if err := e.entry(ctx, hdr, tr); err != nil {
			return fmt.Errorf("extract %q: %w", hdr.Name, err)
		}
	}
	if _, err := io.Copy(io.Discard, br); err != nil {
		return fmt.Errorf("read past the tar: %w", err)
	}
	return e.setTimes()
}

type extraction struct {
	Destination
	unpacker // for its buffer: the contents of files are written in the same way
	// Directories get their times when nothing is made in them any more.
	dirs []datedDir
}

type datedDir struct {
	name  string
	times [2]unix.Timespec
}

func (e *extraction) entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	if !e.Owned {
		hdr.Uid, hdr.Gid = e.uid, e.gid
	}
	m, err := metadataOf(hdr)
	if err != nil {
		return err
	}
	if name == "" {
		return nil // the directory itself, which is another's
	}
	parent, err := OpenDirIn(e.Root, path.Join(e.Dir, parentOf(name)), true)
	if err != nil {
		return err
	}
	defer parent.Close()
	it := item{Header: hdr, body: body, dir: &dir{fd: int(parent.Fd())}, base: path.Base(name)}
	if err := it.mayReplace(); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return e.file(ctx, it, &m)
	case tar.TypeDir:
		if _, err := it.dir.mkdirOnly(it.base); err != nil {
			return err
		}
		e.dirs = append(e.dirs, datedDir{name, m.times})
		return m.apply(it.dir.fd, it.base, false)
	case tar.TypeLink:
		return e.hardLink(it)
	case tar.TypeSymlink:
		return it.special(func() error {
			return os.NewSyscallError("symlinkat", unix.Symlinkat(hdr.Linkname, it.dir.fd, it.base))
		})
	case tar.TypeFifo:
		return it.node(unix.S_IFIFO)
	case tar.TypeChar:
		return it.node(unix.S_IFCHR)
	case tar.TypeBlock:
		return it.node(unix.S_IFBLK)
	}
	return fmt.Errorf("type %q can't be extracted", hdr.Typeflag)
}

// mayReplace refuses to put a directory in the place of something else, and the
// reverse.
func (it item) mayReplace() error {
	st, err := it.dir.stat(it.base)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	was, is := st.Mode&unix.S_IFMT == unix.S_IFDIR, it.Typeflag == tar.TypeDir
	switch {
	case was && !is:
		return fmt.Errorf("cannot overwrite directory %q with non-directory %q", it.base, it.Name)
	case !was && is:
		return fmt.Errorf("cannot overwrite non-directory %q with directory %q", it.base, it.Name)
	}
	return nil
}

// mkdirOnly makes a directory, or keeps the one that is there.
func (d *dir) mkdirOnly(base string) (bool, error) {
	err := unix.Mkdirat(d.fd, base, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return false, nil
	}
	return true, os.NewSyscallError("mkdirat", err)
}

func (e *extraction) file(ctx context.Context, it item, m *metadata) error {
	fd := -1
	err := it.dir.create(it.base, func() (err error) {
		fd, err = unix.Openat(it.dir.fd, it.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return os.NewSyscallError("openat", err)
	})
	if err != nil {
		return err
	}
	if isSparse(it.Header) {
		err = e.copySparse(ctx, fd, it)
	} else {
		err = e.copy(ctx, fd, it)
	}
	if err = errors.Join(err, os.NewSyscallError("close", unix.Close(fd))); err != nil {
		return err
	}
	return m.apply(it.dir.fd, it.base, false)
}

// hardLink gives a file of this tar one more name.
func (e *extraction) hardLink(it item) error {
	target, err := cleanName(it.Linkname)
	if err != nil {
		return err
	}
	from, err := OpenDirIn(e.Root, path.Join(e.Dir, parentOf(target)), false)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", it.Linkname, err)
	}
	defer from.Close()
	base := path.Base(target)
	old, err := (&dir{fd: int(from.Fd())}).stat(base)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", it.Linkname, err)
	}
	if now, err := it.dir.stat(it.base); err == nil && now.Dev == old.Dev && now.Ino == old.Ino {
		return nil
	}
	return it.dir.create(it.base, func() error {
		return os.NewSyscallError("linkat", unix.Linkat(int(from.Fd()), base, it.dir.fd, it.base, 0))
	})
}

func (e *extraction) setTimes() error {
	for _, d := range e.dirs {
		parent, err := OpenDirIn(e.Root, path.Join(e.Dir, parentOf(d.name)), false)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		err = unix.UtimesNanoAt(int(parent.Fd()), path.Base(d.name), d.times[:], unix.AT_SYMLINK_NOFOLLOW)
		if err = errors.Join(err, parent.Close()); err != nil && !isGone(err) {
			return fmt.Errorf("set the times of %q: %w", d.name, err)
		}
	}
	return nil
}

// OpenDirIn opens a directory of a live tree with root as /: its links, absolute
// ones too, are followed and lead nowhere else. With create, directories that are
// missing are made. The error is unix.ENOENT or unix.ENOTDIR where there is none.
func OpenDirIn(root *os.File, name string, create bool) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := Openat2(int(root.Fd()), "./"+name, &how)
	if err == nil {
		return os.NewFile(uintptr(fd), name), nil
	}
	failed := fmt.Errorf("open directory %q: %w", name, err)
	if !create || !errors.Is(err, unix.ENOENT) || strings.Trim(name, "/.") == "" {
		return nil, failed
	}
	parent, err := OpenDirIn(root, path.Dir(name), true)
	if err != nil {
		return nil, err
	}
	err = unix.Mkdirat(int(parent.Fd()), path.Base(name), 0o755)
	parent.Close()
	if err != nil {
		return nil, errors.Join(failed, os.NewSyscallError("mkdirat", err)) // a link to nowhere stands there
	}
	return OpenDirIn(root, name, false)
}
