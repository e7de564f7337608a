package container

import (
	"errors"
	"fmt"
	"os"

	"gocker/container/quickjson"

	"golang.org/x/sys/unix"
)

// writeJSON replaces a file whole: readers see the old one or the new. With
// durable it is on the disk when the call returns.
func writeJSON(path string, v any, durable bool) error {
	return writeFile(path, quickjson.Append(nil, v), durable)
}

func writeFile(path string, b []byte, durable bool) error {
	tmp := path + ".tmp"
	err := newFile(tmp, b, durable)
	if err == nil {
		err = unix.Rename(tmp, path)
	}
	if err != nil {
		_ = unix.Unlink(tmp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// newFile writes a file that is not to be read before something else says so, and
// that nobody else writes. It does without package os, which has its poller try
// each file: a container's are ten.
func newFile(path string, b []byte, durable bool) error {
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o644)
	})
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	for len(b) > 0 && err == nil {
		var n int
		n, err = retry(func() (int, error) { return unix.Write(fd, b) })
		b = b[max(n, 0):]
	}
	if err == nil && durable {
		err = unix.Fdatasync(fd)
	}
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// retry repeats a system call that a signal has interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// readJSON reads a file into v, whatever that was before.
func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := quickjson.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// errLocked says that another process holds a lock.
var errLocked = errors.New("locked by another process")

// lock takes an exclusive flock(2) on a file or directory, which ends with the
// process at the latest. Without wait it returns errLocked when it is taken.
func lock(path string, wait bool) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			break
		}
	}
	if err == unix.EWOULDBLOCK {
		err = errLocked
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// isStill reports whether a path leads to the file that was opened there: one
// that was locked after a while may have been removed, or replaced, meanwhile.
func isStill(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, now)
}
