package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// removeTree removes a directory and what is in it, or a file: what is gone
// already counts as removed. It follows no link and stops at a mount. It is
// [os.RemoveAll] in half the calls, because it tries first what most often
// works: an empty directory is removed as one, and a directory's entries say
// what they are. See unlink(2) and getdents(2).
func removeTree(path string) error {
	if err := removeAt(unix.AT_FDCWD, path); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// removeAt removes what has a name in an open directory.
func removeAt(dir int, name string) error {
	// Another may put something in for as long as it does not know.
	for range 100 {
		err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		if err == unix.ENOTDIR {
			err = unix.Unlinkat(dir, name, 0)
		}
		if err == unix.ENOENT {
			return nil
		}
		if err != unix.ENOTEMPTY {
			return err
		}
		if err := emptyAt(dir, name); err != nil {
			return err
		}
	}
	return unix.ENOTEMPTY
}

// emptyAt removes what is in a directory.
func emptyAt(dir int, name string) (err error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	buf := make([]byte, 4096)
	for {
		n, err := unix.Getdents(fd, buf)
		if n <= 0 {
			return err
		}
		for rest := buf[:n]; len(rest) > 0; {
			// struct linux_dirent64: ino, off, reclen, type, name.
			const reclenAt, typeAt, nameAt = 16, 18, 19
			size := binary.NativeEndian.Uint16(rest[reclenAt:])
			entry, _, _ := strings.Cut(string(rest[nameAt:size]), "\x00")
			kind := rest[typeAt]
			rest = rest[size:]
			switch {
			case entry == "." || entry == "..":
				continue
			case kind == unix.DT_DIR || kind == unix.DT_UNKNOWN:
				err = removeAt(fd, entry)
			default:
				err = unix.Unlinkat(fd, entry, 0)
			}
			if err != nil && err != unix.ENOENT {
				return err
			}
		}
	}
}
