package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// RemoveOptions are those of `gocker rm`.
type RemoveOptions struct {
	Force   bool // kill a running container first
	Volumes bool // remove its anonymous volumes too
}

// Remove removes a container by name or id. The writable layer, the log and
// the name are gone when it returns.
func (s *Store) Remove(name string, o RemoveOptions) error {
	for killed := false; ; {
		c, err := s.Get(name)
		if killed && errors.Is(err, ErrNotFound) {
			return nil // --rm
		}
		if err != nil {
			return err
		}
		err = s.removeEnded(c, o.Volumes)
		if !errors.Is(err, errRunning) {
			return err
		}
		if !o.Force {
			state, advice := c.State.Status, "stop"
			if c.State.Paused {
				state, advice = Paused, "unpause and then stop"
			}
			return fmt.Errorf("cannot remove container %q: container is %s: %s the container before removing or force remove", name, state, advice)
		}
		r, err := s.hold(c)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r == nil {
			// It has ended by itself, or its monitor is starting it for a client
			// that has gone: there is nothing to kill yet.
			time.Sleep(time.Millisecond)
			continue
		}
		if err = c.stayStopped(); err == nil {
			err = r.kill()
		}
		if err == nil {
			err = r.await()
		}
		r.close()
		if err != nil {
			return err
		}
		name, killed = c.ID, true
	}
}

var errRunning = errors.New("container is running")

// removeEnded removes a container unless it runs.
func (s *Store) removeEnded(c *Container, volumes bool) error {
	locked, err := lock(c.dir, true)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer locked.Close()
	// Only whoever has the lock can start it. A monitor that is starting one
	// has its own lock before it has told so.
	now := State{}
	if err := readJSON(filepath.Join(c.dir, "state.json"), &now); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed while this one waited
		}
		return err
	}
	now.Paused = c.State.Paused // the file does not tell
	c.State = now
	if c.State.Up() {
		return errRunning
	}
	alive, err := lock(c.runDir, false)
	switch {
	case err == nil:
		alive.Close()
	case errors.Is(err, errLocked) && c.State.Status == Exited:
		if err := c.awaitEnd(); err != nil { // it is cleaning up
			return err
		}
	case errors.Is(err, errLocked):
		return errRunning
	}
	return s.removeLocked(c, volumes)
}

// awaitEnd waits until the container's monitor has ended.
func (c *Container) awaitEnd() error {
	return awaitDir{Path: c.runDir}.Do()
}

// remove deletes a container that its caller has ended. It is safe to repeat,
// and beside another that does the same.
func (s *Store) remove(c *Container, volumes bool) error {
	locked, err := lock(c.dir, true)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer locked.Close()
	return s.removeLocked(c, volumes)
}

func (s *Store) removeLocked(c *Container, volumes bool) error {
	var errs []error
	if volumes {
		errs = append(errs, s.removeVolumes(c))
	}
	// Whoever finds the record is the one who removes it.
	_, gone := os.Lstat(c.recordPath())
	err := c.delete()
	if gone == nil && err == nil {
		s.note(c, "destroy")
	}
	return errors.Join(append(errs, err)...)
}

// delete removes the directory. Without its record it is no container any
// more, so whatever a crash leaves is rubbish that reconcile sweeps.
func (c *Container) delete() error {
	// Empty, unless the root is still mounted: then everything below, with the
	// binds of the user, would be removed too.
	if err := unix.Rmdir(c.rootfs()); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove container: %s: %w", c.rootfs(), err)
	}
	for _, name := range []string{"record.json", "name"} {
		if err := unix.Unlink(filepath.Join(c.dir, name)); err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove container: %s: %w", name, err)
		}
	}
	if err := removeTree(c.dir); err != nil {
		return fmt.Errorf("remove container: %w", err)
	}
	return nil
}
