package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"gocker/cgroup"

	"golang.org/x/sys/unix"
)

// running is one run of a container, from its start to the end of its monitor.
// Held open it can't be taken for the next one, however soon that comes.
type running struct {
	c     *Container
	s     *Store
	dir   *os.File // the run directory, which the monitor has locked
	pidFD *os.File // of the first process, nil when that has ended
}

// hold returns the run in which a container is, and its state; nil when it
// doesn't run. Who has ended but is still cleaned up after runs no more.
func (s *Store) hold(c *Container) (*running, error) {
	for {
		r := &running{c: c, s: s}
		var err error
		if r.dir, err = os.Open(c.runDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		now, err := s.read(c.ID)
		if err != nil {
			r.close()
			return nil, err
		}
		*c = *now
		switch {
		case !c.State.Up():
			r.close()
			return nil, nil
		case r.dir == nil || !isStill(r.dir, c.runDir):
			// One run has ended and the next has begun in between, or a boot has
			// ended it.
			r.close()
			if _, err := s.load(c.ID); err != nil {
				return nil, err
			}
			continue
		}
		if r.pidFD, err = c.State.process(); err != nil {
			r.close()
			return nil, err
		}
		return r, nil
	}
}

// process opens the first process, nil when it has ended.
func (st State) process() (*os.File, error) {
	fd, err := unix.PidfdOpen(st.Pid, 0)
	if err == unix.ESRCH || err == unix.EINVAL {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", st.Pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	// With the descriptor open, the pid can't go to another process unseen.
	if start, err := startTime(st.Pid); err != nil || start != st.StartTime {
		return nil, f.Close()
	}
	return f, nil
}

func (r *running) close() {
	for _, f := range []*os.File{r.dir, r.pidFD} {
		if f != nil {
			f.Close()
		}
	}
}

// signal sends a signal to the first process. One that has ended takes it.
func (r *running) signal(sig unix.Signal) error {
	if r.pidFD == nil {
		return nil
	}
	err := unix.PidfdSendSignal(int(r.pidFD.Fd()), sig, nil, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err == nil {
		r.noteKill(sig)
	}
	return err
}

func (r *running) noteKill(sig unix.Signal) {
	r.s.note(r.c, "kill", "signal", strconv.Itoa(int(sig)))
}

// kill ends all processes of this run, those too that are frozen, and that have
// nothing to do any more with the first. The next run, which has the same group,
// is not touched: with the lock it can't begin.
func (r *running) kill() error {
	locked, err := r.s.lockThere(r.c)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer locked.Close()
	if !isStill(r.dir, r.c.runDir) {
		return nil // it has ended
	}
	group, err := r.c.group()
	if err != nil {
		return err
	}
	r.noteKill(unix.SIGKILL)
	return group.Kill()
}

// ends waits until the first process has ended, for ever with a negative
// timeout, and reports whether it has.
func (r *running) ends(timeout time.Duration) (bool, error) {
	if r.pidFD == nil {
		return true, nil
	}
	return poll([]unix.PollFd{{Fd: int32(r.pidFD.Fd()), Events: unix.POLLIN}}, timeout)
}

// monitored reports whether the run has a monitor.
func (r *running) monitored() bool {
	err := unix.Flock(int(r.dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return true
	}
	_ = unix.Flock(int(r.dir.Fd()), unix.LOCK_UN)
	return false
}

// await waits until the monitor has ended: what is to be recorded of the run is,
// and what is to be cleaned up. A monitor that was killed is buried.
func (r *running) await() error {
	for {
		err := unix.Flock(int(r.dir.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return fmt.Errorf("wait for container %s: %w", r.c.ShortID(), err)
		}
	}
	// The lock is for whoever ends what is left.
	if err := unix.Flock(int(r.dir.Fd()), unix.LOCK_UN); err != nil {
		return err
	}
	return r.s.buryMonitor(r.c)
}

// group is the container's control group, to look at and to end.
func (c *Container) group() (*cgroup.Group, error) {
	if c.cgroups == nil {
		var err error
		if c.cgroups, err = cgroup.Open(); err != nil {
			return nil, err
		}
	}
	return c.cgroups.At(c.groupPath()), nil
}

// groupPath is where the container's group is below the top of each hierarchy.
func (c *Container) groupPath() string { return "/gocker/" + c.ID }

// lockThere locks a container that is there; another that removes it may have
// been waited for.
func (s *Store) lockThere(c *Container) (*os.File, error) {
	locked, err := lock(c.dir, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound{c.ID}
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(c.recordPath()); !isStill(locked, c.dir) || err != nil {
		return nil, errors.Join(notFound{c.ID}, locked.Close())
	}
	return locked, nil
}

// The files by which others tell a run's monitor what they want of its end. They
// are locked for as long as they are wanted: the rest is swept with the run
// directories.

// exitFile is where a monitor writes the exit code, if somebody has made it. Its
// name is that of one run.
func (c *Container) exitFile() string {
	return fmt.Sprintf("%s.%d-%d.exit", c.runDir, c.State.Pid, c.State.StartTime)
}

// keepFile says that a container is going to be started again: --rm does not
// mean this end.
func (c *Container) keepFile() string { return c.runDir + ".keep" }

// tell writes the exit code for those who wait for the end of this run, of which
// the state still has the process.
func (c *Container) tell(code int) error {
	f, err := os.OpenFile(c.exitFile(), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, code)
	return errors.Join(err, f.Close())
}

// kept reports whether somebody is about to start the container again.
func (c *Container) kept() bool {
	f, err := lock(c.keepFile(), false)
	if err == nil {
		f.Close() // of one who was killed
	}
	return errors.Is(err, errLocked)
}

// leaveWord makes one of these files, or shares it, until it is closed.
func leaveWord(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil && err != unix.EINTR {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		} else if err == nil && isStill(f, path) {
			return f, nil
		}
		f.Close() // swept before it was locked
	}
}

// takeBack closes such a file, and removes it if nobody else has it.
func takeBack(f *os.File) error {
	err := f.Close()
	last, lockErr := lock(f.Name(), false)
	if errors.Is(lockErr, errLocked) || errors.Is(lockErr, fs.ErrNotExist) {
		return err
	}
	if lockErr != nil {
		return errors.Join(err, lockErr)
	}
	if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) { // another's, who was as fast
		err = errors.Join(err, rerr)
	}
	return errors.Join(err, last.Close())
}
