package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// reconcile makes the store true again after crashes. A run directory whose
// lock is free belongs to a monitor that was killed, or to a boot that has
// ended: what it left running is killed, its host plan undone, the end
// recorded. It is cheap when nothing has happened: a lock a running container.
func (s *Store) reconcile() error {
	entries, err := os.ReadDir(s.RunRoot)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if err := s.buryMonitor(s.handle(e.Name())); err != nil {
			errs = append(errs, fmt.Errorf("reconcile container %s: %w", e.Name(), err))
		}
	}
	return errors.Join(append(errs, s.sweep())...)
}

// buryMonitor ends what a killed monitor left, if it was killed.
func (s *Store) buryMonitor(c *Container) error {
	alive, err := lock(c.runDir, false)
	if errors.Is(err, errLocked) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer alive.Close()
	// Who had the lock may have ended the container and removed the directory,
	// and another monitor may have made a new one.
	if !isStill(alive, c.runDir) {
		return nil
	}
	c, err = s.read(c.ID)
	if errors.Is(err, ErrNotFound) {
		return removeTree(filepath.Join(s.RunRoot, filepath.Base(alive.Name())))
	}
	if err != nil {
		return err
	}
	if err := c.clean(); err != nil {
		return err
	}
	if c.State.Status == Running {
		err = c.tell(killedCode)
		s.note(c, "die", exitAttributes(killedCode)...)
	}
	switch {
	case c.HostConfig.AutoRemove && !c.kept():
		err = errors.Join(err, s.remove(c, true))
	case c.State.Up():
		if c.State.Status == Running {
			c.State.ExitCode = killedCode
		}
		c.State.Status = Exited
		c.State.Pid = 0
		c.State.Error = "the container's monitor was killed, or the host went down"
		c.State.FinishedAt = time.Now().UTC()
		err = errors.Join(err, c.writeState())
	}
	return errors.Join(err, removeTree(c.runDir))
}

// killedCode is the exit code of what is ended with SIGKILL.
const killedCode = 128 + int(unix.SIGKILL)

// clean kills what is left of a container and undoes its host plan, computed
// again from the spec.
func (c *Container) clean() error {
	if c.State.Status == Running {
		boot, err := bootID()
		if err != nil {
			return err
		}
		if boot == c.State.BootID {
			if err := killProcess(c.State.Pid, c.State.StartTime); err != nil {
				return err
			}
		}
	}
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	h, err := lookAtHost()
	if err != nil {
		return err
	}
	// Without its limits, which this boot may not have: directories are all
	// that can be left.
	group, err := h.cgroups.Group(spec.Linux.CgroupsPath, nil)
	if err != nil {
		return err
	}
	if err := group.Kill(); err != nil {
		return err
	}
	if err := c.awaitProber(); err != nil {
		return err
	}
	return c.hostPlan(spec, group).Undo()
}

// killProcess kills a process and waits for its end, if it is still the one
// that started then.
func killProcess(pid int, start uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH || err == unix.EINVAL {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if now, err := startTime(pid); err != nil || now != start {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return err
	}
	// The descriptor of a process becomes readable when that has ended.
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return err
		}
	}
}

// sweep removes directories that are no container: one that is being made is
// locked.
func (s *Store) sweep() error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		c := s.handle(id)
		record := c.recordPath()
		if _, err := os.Lstat(record); err == nil {
			continue
		}
		locked, err := s.lockUnmade(c)
		if err != nil {
			continue // being made, or gone
		}
		// Its record may have come before the lock was free.
		if _, err := os.Lstat(record); errors.Is(err, os.ErrNotExist) {
			errs = append(errs, s.discard(c))
		}
		locked.Close()
	}
	return errors.Join(errs...)
}

// lockUnmade locks the directory of a container without a record. Whoever makes
// one holds the lock of all until it has the directory's.
func (s *Store) lockUnmade(c *Container) (*os.File, error) {
	all, err := lock(s.dir(), true)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	return lock(c.dir, false)
}
