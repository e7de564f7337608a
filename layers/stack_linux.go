package layers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is the answer of [Stack.Open] to a fifo, a device or a socket.
var ErrNotRegular = errors.New("not a regular file")

// Stack is a pile of directories in overlayfs's format, uppermost first: a
// container's upper directory, if it takes part, then its layers.
type Stack []string

// Open opens a regular file of the merged directory without a mount, for
// reading. Symbolic links are followed as chroot(2) into the merged directory
// would, at most 40 of them. The error is fs.ErrNotExist for what is absent or
// hidden. The upper directory may be changed by a hostile container meanwhile:
// nothing outside the stack is opened and no open blocks.
func (s Stack) Open(name string) (*os.File, error) {
	f, err := s.openFile(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (s Stack) openFile(name string) (*os.File, error) {
	root, err := openMerged(s)
	if err != nil {
		return nil, err
	}
	levels := []merged{root} // from the root to where the walk has come
	defer func() {
		for _, l := range levels {
			l.close()
		}
	}()
	up := func(n int) {
		for len(levels) > n {
			levels[len(levels)-1].close()
			levels = levels[:len(levels)-1]
		}
	}
	links := 0
	for todo := name; ; {
		var c string
		c, todo, _ = strings.Cut(todo, "/")
		if c == ".." {
			up(max(1, len(levels)-1))
		}
		if c == "" || c == "." || c == ".." {
			if todo == "" {
				return nil, unix.EISDIR
			}
			continue
		}
		found, err := levels[len(levels)-1].look(c)
		if err != nil {
			return nil, err
		}
		if found.dirs != nil {
			levels = append(levels, found.dirs)
			if todo == "" {
				return nil, unix.EISDIR
			}
			continue
		}
		if found.mode&unix.S_IFMT == unix.S_IFLNK {
			target, err := found.readlink()
			if err != nil {
				return nil, err
			}
			if links++; links > maxLinks {
				return nil, unix.ELOOP
			}
			if strings.HasPrefix(target, "/") {
				up(1)
			}
			if todo != "" {
				target += "/" + todo
			}
			todo = target
			continue
		}
		if todo != "" {
			return nil, errors.Join(unix.ENOTDIR, unix.Close(found.fd))
		}
		return found.open(name)
	}
}

// MakeUpper makes the upper directory of a container over this stack. It gets
// the metadata of the stack's root, which it is to hide: an upper directory
// closed to others would close the container's / to its users.
func (s Stack) MakeUpper(path string) error {
	if len(s) == 0 {
		return errors.New("make an upper directory: no layer below it")
	}
	from, err := os.Open(s[0])
	if err != nil {
		return fmt.Errorf("make an upper directory: %w", err)
	}
	defer from.Close()
	if err := os.Mkdir(path, 0o700); err != nil {
		return fmt.Errorf("make an upper directory: %w", err)
	}
	to, err := os.Open(path)
	if err == nil {
		err = errors.Join(copyMetadata(int(from.Fd()), int(to.Fd())), to.Close())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make upper directory %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// merged is one directory of the merged tree: the descriptors of those that
// make it up, uppermost first.
type merged []int

// node is what look has found: a directory, else the descriptor (O_PATH) of
// anything else.
type node struct {
	dirs merged
	fd   int
	mode uint32
}

func openMerged(dirs []string) (merged, error) {
	var m merged
	for _, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			m.close()
			return nil, fmt.Errorf("open layer %s: %w", dir, err)
		}
		m = append(m, fd)
	}
	return m, nil
}

func (m merged) close() {
	for _, fd := range m {
		unix.Close(fd) // read only: nothing can be lost
	}
}

// look finds one name, as the uppermost layer that has it wants it seen. The
// caller closes what it returns.
func (m merged) look(base string) (found node, err error) {
	defer func() {
		if err != nil {
			found.dirs.close()
			found = node{}
		}
	}()
	for _, fd := range m {
		dir, err := unix.Openat(fd, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			found.dirs = append(found.dirs, dir)
			opaque, err := isOpaque(dir)
			if err != nil || opaque {
				return found, err
			}
			continue
		case errors.Is(err, unix.ENOENT):
			continue
		case !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP):
			return found, err
		}
		if found.dirs != nil {
			return found, nil // a directory above hides it
		}
		return lookFile(fd, base)
	}
	if found.dirs == nil {
		return found, unix.ENOENT
	}
	return found, nil
}

func lookFile(dirfd int, base string) (node, error) {
	fd, err := unix.Openat(dirfd, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return node{}, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && isWhiteout(st) {
		err = unix.ENOENT
	}
	if err != nil {
		return node{}, errors.Join(err, unix.Close(fd))
	}
	return node{fd: fd, mode: st.Mode}, nil
}

func (n node) close() {
	if n.dirs != nil {
		n.dirs.close()
		return
	}
	unix.Close(n.fd)
}

func (n node) readlink() (string, error) {
	defer n.close()
	buf := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(n.fd, "", buf)
	return string(buf[:max(0, size)]), err
}

// open opens a regular file through its descriptor: what is at its path may be
// something else by now.
func (n node) open(name string) (*os.File, error) {
	defer n.close()
	if n.mode&unix.S_IFMT != unix.S_IFREG {
		return nil, ErrNotRegular
	}
	fd, err := unix.Open(procFD(n.fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
