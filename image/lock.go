package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Hold keeps blobs and layers from being removed until the returned closer is
// closed. Whoever uses what no ref and no container's record names yet holds it: a
// pull while it works, a run between looking the image up and writing the record.
// Any number may hold at once. Hold waits while something is being removed, which
// takes about as long as deleting the files does.
func (s *Store) Hold(ctx context.Context) (io.Closer, error) {
	f, err := s.openLock()
	if err != nil {
		return nil, err
	}
	for {
		err := flock(f, unix.LOCK_SH|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		// A blocking flock could not be interrupted.
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// tryExclusive returns the lock that allows removing, nil when someone holds.
func (s *Store) tryExclusive() (io.Closer, error) {
	f, err := s.openLock()
	if err != nil {
		return nil, err
	}
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
}

func (s *Store) openLock() (*os.File, error) {
	path := s.path("lock")
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(s.root, 0o711); err != nil {
			return nil, fmt.Errorf("lock images: %w", err)
		}
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("lock images: %w", err)
	}
	return f, nil
}

// flock is flock(2), repeated when a signal interrupts it.
func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
