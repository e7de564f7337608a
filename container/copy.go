package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

// CopyOptions are those of `gocker cp`.
type CopyOptions struct {
	FollowLink bool // copy what a link in the source's place leads to
	Archive    bool // keep owners on the host too
}

// Copied is what a copy came to, in bytes.
type Copied struct {
	Content  int64 // of the regular files, one with several names once
	Archived int64 // of the tar that went from one side to the other
}

// CopyFrom copies a file or a directory of a container to a path of the host. The
// rules are docker's: into a directory that is there, else to that name, for which
// the parent has to be there; what ends in /. stands for what is in it. The
// container may run.
func (s *Store) CopyFrom(ctx context.Context, name, src, dst string, o CopyOptions) (done Copied, err error) {
	c, err := s.Get(name)
	if err != nil {
		return done, err
	}
	host, dst, err := hostSide(dst)
	if err != nil {
		return done, err
	}
	defer host.Close()
	if err := checkOutput(dst); err != nil {
		return done, err
	}
	err = s.withRoot(c, func(root *os.File) error {
		from, err := findSource(root, src, o.FollowLink)
		if err != nil {
			return missingIn(c, name, src, err)
		}
		defer from.close()
		done, err = transfer(ctx, from, host, dst, o.Archive)
		return err
	})
	return done, err
}

// CopyTo copies a file or a directory of the host to a path of a container, as
// [Store.CopyFrom] the other way. Owners are kept, as numbers.
func (s *Store) CopyTo(ctx context.Context, src, name, dst string, o CopyOptions) (done Copied, err error) {
	c, err := s.Get(name)
	if err != nil {
		return done, err
	}
	host, src, err := hostSide(src)
	if err != nil {
		return done, err
	}
	defer host.Close()
	from, err := findSource(host, src, o.FollowLink)
	if err != nil {
		return done, &os.PathError{Op: "lstat", Path: src, Err: rootCause(err)}
	}
	defer from.close()
	err = s.withRoot(c, func(root *os.File) error {
		done, err = transfer(ctx, from, root, dst, true)
		return c.explainCopy(name, dst, err)
	})
	return done, err
}

// ArchiveFrom writes a file or a directory of a container as a tar.
func (s *Store) ArchiveFrom(name, src string, o CopyOptions, w io.Writer) error {
	c, err := s.Get(name)
	if err != nil {
		return err
	}
	return s.withRoot(c, func(root *os.File) error {
		from, err := findSource(root, src, o.FollowLink)
		if err != nil {
			return missingIn(c, name, src, err)
		}
		defer from.close()
		_, err = from.pack(w, from.name)
		return err
	})
}

// ExtractTo makes the entries of a tar in a directory of a container.
func (s *Store) ExtractTo(ctx context.Context, r io.Reader, name, dst string) error {
	c, err := s.Get(name)
	if err != nil {
		return err
	}
	return s.withRoot(c, func(root *os.File) error {
		to, err := findPlace(root, dst, true)
		if err == nil && (to.kind() != unix.S_IFDIR) {
			to.close()
			err = unix.ENOTDIR
		}
		if err != nil {
			return fmt.Errorf(`destination "%s:%s" must be a directory`, name, dst)
		}
		defer to.close()
		err = layers.Extract(ctx, r, layers.Destination{Root: root, Dir: to.path, Owned: true})
		return c.explainCopy(name, dst, err)
	})
}

// hostSide returns the host's root and a path in it, which keeps the end that says
// that a directory is meant.
func hostSide(name string) (*os.File, string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, "", err
	}
	switch {
	case path.Base(name) == "." && abs != "/":
		abs += "/."
	case strings.HasSuffix(name, "/") && abs != "/":
		abs += "/"
	}
	root, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	return root, abs, err
}

// checkOutput refuses what docker refuses before it looks at the container.
func checkOutput(dst string) error {
	dir := filepath.Dir(filepath.Clean(dst))
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("invalid output path: directory %q does not exist", dir)
	}
	if info, err := os.Stat(dst); err == nil && info.Mode()&os.ModeDevice != 0 {
		return fmt.Errorf("invalid output path: %q must be a directory or a regular file: got a device", dst)
	}
	return nil
}

// missingIn has docker's words for a path that a container doesn't have.
func missingIn(c *Container, name, p string, err error) error {
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("Could not find the file %s in container %s", p, name)
	}
	return fmt.Errorf("%s in container %s: %w", p, c.ShortID(), err)
}

func (c *Container) explainCopy(name, dst string, err error) error {
	switch {
	case errors.Is(err, unix.EROFS) && c.HostConfig.ReadonlyRootfs:
		return errors.New("container rootfs is marked read-only")
	case errors.Is(err, unix.EROFS):
		return errors.New("mounted volume is marked read-only")
	case errors.Is(err, errNoParent):
		return missingIn(c, name, path.Dir(path.Clean("/"+dst)), unix.ENOENT)
	case errors.Is(err, errDevice):
		return fmt.Errorf(`destination "%s:%s" must be a directory or a regular file: got a device`, name, dst)
	}
	return err
}

var (
	errNoParent = errors.New("no such directory")
	errDevice   = errors.New("got a device")
)

// place is what a path leads to, or would, in one root. Its parent is open.
type place struct {
	dir  *os.File
	base string // "." for the root
	path string // clean, without a link at its end where links were followed
	st   *unix.Stat_t
}

func (p *place) close() { p.dir.Close() }

// kind is a file type of stat(2), 0 where nothing is.
func (p *place) kind() uint32 {
	if p.st == nil {
		return 0
	}
	return p.st.Mode & unix.S_IFMT
}

// maxLinks is the kernel's bound, see path_resolution(7).
const maxLinks = 40

// findPlace looks a path up with root as /. Links on the way to its last part are
// followed, and one in that place if it is told so. The error is about the parent.
func findPlace(root *os.File, name string, follow bool) (*place, error) {
	for range maxLinks {
		clean := path.Clean("/" + name)
		p := &place{base: path.Base(clean), path: clean}
		if clean == "/" {
			p.base = "."
		}
		var err error
		if p.dir, err = layers.OpenDirIn(root, path.Dir(clean), false); err != nil {
			return nil, err
		}
		var st unix.Stat_t
		err = unix.Fstatat(int(p.dir.Fd()), p.base, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			return p, nil
		}
		if err != nil {
			p.close()
			return nil, err
		}
		p.st = &st
		if !follow || p.kind() != unix.S_IFLNK {
			return p, nil
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(int(p.dir.Fd()), p.base, buf)
		p.close()
		if err != nil {
			return nil, err
		}
		if name = string(buf[:n]); !path.IsAbs(name) {
			name = path.Join(path.Dir(clean), name)
		}
	}
	return nil, fmt.Errorf("too many symlinks in %s", name)
}

// meansDirectory reports whether the end of a path says that a directory is meant.
func meansDirectory(name string) bool {
	return strings.HasSuffix(name, "/") || path.Base(name) == "."
}

// source is what is copied.
type source struct {
	*place
	name string // that it gets in a directory; "" for what is in it
}

func findSource(root *os.File, name string, follow bool) (*source, error) {
	p, err := findPlace(root, name, follow || meansDirectory(name))
	if err != nil {
		return nil, err
	}
	s := &source{place: p, name: path.Base(path.Clean("/" + name))}
	if path.Base(name) == "." || s.name == "/" {
		s.name = ""
	}
	switch kind := p.kind(); {
	case kind == 0:
		err = unix.ENOENT
	case kind != unix.S_IFDIR && meansDirectory(name):
		err = unix.ENOTDIR
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) isDir() bool { return s.kind() == unix.S_IFDIR }

// pack writes the source as a tar, in which it has a name, and returns the bytes of
// the files in it.
func (s *source) pack(w io.Writer, name string) (content int64, err error) {
	p := layers.NewPacker(w)
	if err := p.Add(s.dir, s.base, name); err != nil {
		return 0, err
	}
	return p.Content, p.Close()
}

// transfer copies a source to a path of the other side.
func transfer(ctx context.Context, from *source, root *os.File, dst string, owned bool) (done Copied, err error) {
	to, err := findPlace(root, dst, true)
	if isMissing(err) {
		return done, errNoParent
	}
	if err != nil {
		return done, err
	}
	defer to.close()
	dir, name := path.Dir(to.path), to.base
	switch kind := to.kind(); {
	case kind == unix.S_IFDIR:
		dir, name = to.path, from.name
		if name == "" && !from.isDir() {
			name = from.base
		}
	case kind == unix.S_IFCHR, kind == unix.S_IFBLK:
		return done, errDevice
	case kind != 0 && from.isDir():
		return done, errors.New("cannot copy directory")
	case kind == 0 && !from.isDir() && meansDirectory(dst):
		return done, errors.New("no such directory")
	}

	r, w := io.Pipe()
	counted := &countingWriter{w: w}
	packed := make(chan int64, 1)
	go func() {
		content, err := from.pack(counted, name)
		w.CloseWithError(err) // Extract reads what was wrong
		packed <- content
	}()
	err = layers.Extract(ctx, r, layers.Destination{Root: root, Dir: dir, Owned: owned})
	r.CloseWithError(err)
	done.Content, done.Archived = <-packed, counted.n
	return done, err
}

func isMissing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// rootCause is the kernel's answer in an error, where there is one.
func rootCause(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
