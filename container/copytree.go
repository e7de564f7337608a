package container

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// copyTree copies what is in one open directory into another, which is empty,
// and the directory's own metadata: owners, modes, times, extended attributes,
// hard links and holes are those of the original. No link is followed. Nobody
// else may change either directory. The original is seen through an overlay,
// which hides what has a meaning for overlayfs itself.
func copyTree(from, to *os.File) error {
	c := treeCopy{root: int(to.Fd()), links: map[inode]string{}}
	return c.directory(from, to, "")
}

type treeCopy struct {
	root  int              // of the copy
	links map[inode]string // where in the copy files are that have several names
}

func (c *treeCopy) directory(from, to *os.File, name string) error {
	names, err := from.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	for _, base := range names {
		if err := c.entry(from, to, path.Join(name, base)); err != nil {
			return err
		}
	}
	// Last: each entry has changed the directory's time.
	if err := copyMetadata(int(from.Fd()), int(to.Fd()), "."); err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	return nil
}

// entry copies one name of a directory.
func (c *treeCopy) entry(from, to *os.File, name string) error {
	src, dst, base := int(from.Fd()), int(to.Fd()), path.Base(name)
	var st unix.Stat_t
	err := unix.Fstatat(src, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil // overlayfs lists a whiteout where nothing is below it
	}
	if err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	id := inode{st.Dev, st.Ino}
	kind := st.Mode & unix.S_IFMT
	first, linked := c.links[id]
	switch {
	case kind == unix.S_IFDIR:
		return c.subdirectory(src, dst, name)
	case linked:
		err = unix.Linkat(c.root, first, dst, base, 0)
	case kind == unix.S_IFREG:
		err = copyFile(src, dst, base, st.Size)
	case kind == unix.S_IFLNK:
		err = copyLink(src, dst, base)
	default:
		err = unix.Mknodat(dst, base, st.Mode, int(st.Rdev))
	}
	if err == nil && !linked {
		err = copyMetadata(src, dst, base)
	}
	if err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	if st.Nlink > 1 {
		c.links[id] = name
	}
	return nil
}

func (c *treeCopy) subdirectory(src, dst int, name string) error {
	base := path.Base(name)
	err := unix.Mkdirat(dst, base, 0o700)
	if err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	from, err := openIn(src, base, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	defer from.Close()
	to, err := openIn(dst, base, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("copy %q: %w", name, err)
	}
	defer to.Close()
	return c.directory(from, to, name)
}

func openIn(dir int, base string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: base, Err: err}
	}
	return os.NewFile(uintptr(fd), base), nil
}

func copyLink(src, dst int, base string) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(src, base, buf)
	if err != nil {
		return fmt.Errorf("readlinkat: %w", err)
	}
	return unix.Symlinkat(string(buf[:n]), dst, base)
}

// copyFile copies a file's contents. Holes stay holes.
func copyFile(src, dst int, base string, size int64) (err error) {
	from, err := openIn(src, base, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := openIn(dst, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for offset := int64(0); offset < size; {
		data, err := from.Seek(offset, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // nothing but a hole up to the end
		}
		if err != nil {
			return err
		}
		end, err := from.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := copyRange(from, to, data, end); err != nil {
			return err
		}
		offset = end
	}
	return to.Truncate(size)
}

func copyRange(from, to *os.File, start, end int64) error {
	for _, f := range []*os.File{from, to} {
		if _, err := f.Seek(start, io.SeekStart); err != nil {
			return err
		}
	}
	_, err := io.CopyN(to, from, end-start)
	return err
}

// copyMetadataOf gives one directory the metadata of another.
func copyMetadataOf(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Open(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	return copyMetadata(int(src.Fd()), int(dst.Fd()), ".")
}

// copyMetadata gives base in the directory dst what it has in src. The mode
// comes after the owner, whose change clears set-ID bits, and the attributes
// after both, as it clears security.capability too.
func copyMetadata(src, dst int, base string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(src, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("fstatat: %w", err)
	}
	if err := unix.Fchownat(dst, base, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("fchownat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(dst, base, st.Mode&0o7777, 0); err != nil {
			return fmt.Errorf("fchmodat: %w", err)
		}
	}
	if err := copyXattrs(pathIn(src, base), pathIn(dst, base)); err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(dst, base, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("utimensat: %w", err)
	}
	return nil
}

// pathIn is a path of base in an open directory, for system calls that take no
// directory.
func pathIn(dir int, base string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + base
}

// copyXattrs copies the extended attributes. The label of SELinux is left out,
// which the host's policy gives, and so are those that the filesystem of the
// copy has no place for, if they are for users only.
func copyXattrs(from, to string) error {
	names, err := readXattr(func(buf []byte) (int, error) { return unix.Llistxattr(from, buf) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("llistxattr: %w", err)
	}
	for field := range bytes.SplitSeq(names, []byte{0}) {
		name := string(field)
		if name == "" || name == "security.selinux" {
			continue
		}
		value, err := readXattr(func(buf []byte) (int, error) { return unix.Lgetxattr(from, name, buf) })
		if err == nil {
			err = unix.Lsetxattr(to, name, value, 0)
		}
		if errors.Is(err, unix.EOPNOTSUPP) && strings.HasPrefix(name, "user.") {
			continue
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	return nil
}

// readXattr calls get with larger buffers until the answer fits.
func readXattr(get func([]byte) (int, error)) ([]byte, error) {
	for size := 1 << 10; ; size *= 8 {
		buf := make([]byte, size)
		n, err := get(buf)
		if err == nil {
			return buf[:n], nil
		}
		if !errors.Is(err, unix.ERANGE) {
			return nil, err
		}
	}
}
