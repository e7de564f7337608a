package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A container with a restart policy is started again by the monitor of the run that
// has ended. Between two runs it is [Restarting], with a run directory of its own:
// so those who wait for the end of the run see it, and a monitor that is killed
// meanwhile is seen as well.
//
//	record the end → undo the host plan → the next run directory, locked → wait
//	→ lock → start → leave it to the heir

// stoppedFile says that a user has stopped a container with a restart policy: it is
// not started again until a user does that.
func (c *Container) stoppedFile() string { return filepath.Join(c.dir, "stopped") }

// wasStopped reports whether a user has stopped the container.
func (c *Container) wasStopped() (bool, error) {
	_, err := os.Lstat(c.stoppedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// stayStopped keeps a container that is about to be ended from being started again. Its
// monitor sees it before the next start.
func (c *Container) stayStopped() error {
	if !c.HostConfig.RestartPolicy.active() {
		return nil
	}
	err := newFile(c.stoppedFile(), nil, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has been removed
	}
	return err
}

// forgetStop lets the policy count again.
func (c *Container) forgetStop() error {
	if !c.HostConfig.RestartPolicy.active() {
		return nil
	}
	if err := os.Remove(c.stoppedFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("start container: %w", err)
	}
	return nil
}

// restarts reports whether the container, which has just ended, is to be started
// again. Its policy may be another by now.
func (m *Monitor) restarts() (bool, error) {
	if m.c.HostConfig.AutoRemove {
		return false, nil
	}
	var now Record
	err := readJSON(m.c.recordPath(), &now)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !now.HostConfig.RestartPolicy.restarts(m.c.State) {
		return false, err
	}
	stopped, err := m.c.wasStopped()
	return !stopped && err == nil, err
}

// again starts the container again when it has waited. The error is what kept it from
// that: then it has ended, as it has when somebody stops it meanwhile.
func (m *Monitor) again() error {
	if err := m.renew(); err != nil {
		return errors.Join(err, m.giveUp())
	}
	err := m.sleepUnlessStopped(m.c.State.RestartDelay)
	if err != nil {
		return errors.Join(err, m.giveUp())
	}
	locked, err := m.store.lockThere(m.c)
	if err != nil {
		return errors.Join(err, m.giveUp())
	}
	defer locked.Close()
	now, err := m.store.read(m.c.ID)
	if err != nil {
		return errors.Join(err, m.giveUp())
	}
	m.c = now
	m.c.State.RestartCount-- // of a start that has not been
	again, err := m.restarts()
	m.c.State.RestartCount++
	if err != nil || !again {
		return errors.Join(err, m.giveUp())
	}
	if err := m.start(Streams{}); err != nil {
		failed := &StartError{Code: startCode(err), Message: startMessage(m.c, err), err: err}
		return m.end(failed)
	}
	return m.Leave()
}

// renew puts a new run directory, locked by this process, in the place of that of the
// run that has ended. There is one at any moment.
func (m *Monitor) renew() error {
	made := fmt.Sprintf("%s.%d", m.c.runDir, os.Getpid())
	if err := os.Mkdir(made, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	next, err := lock(made, true)
	if err != nil {
		return err
	}
	for _, name := range []string{doorName, leaseName} {
		if gone := unix.Unlink(filepath.Join(m.c.runDir, name)); gone != nil && gone != unix.ENOENT {
			err = errors.Join(err, gone)
		}
	}
	if err == nil {
		err = unix.Rename(made, m.c.runDir) // which is empty
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin the next run: %w", err), os.Remove(made), next.Close())
	}
	err = m.alive.Close()
	m.alive = next
	return err
}

// sleepUnlessStopped returns after a while, or when somebody stops the container.
func (m *Monitor) sleepUnlessStopped(delay time.Duration) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch the container: inotify: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, m.c.dir, unix.IN_CREATE); err != nil {
		return fmt.Errorf("watch the container: %w", err)
	}
	events := make([]byte, 4<<10)
	for end := time.Now().Add(delay); ; {
		stopped, err := m.c.wasStopped()
		if stopped || err != nil {
			return err
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		// A timeout of poll(2) is cut to milliseconds.
		if _, err := poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, left+time.Millisecond); err != nil {
			return fmt.Errorf("watch the container: %w", err)
		}
		_, _ = unix.Read(fd, events) // what they are says the file
	}
}

// giveUp ends a container that was to be started again.
func (m *Monitor) giveUp() error {
	m.c.State.Status = Exited
	err := m.c.writeState()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it has been removed
	}
	m.plans = nil // undone
	return errors.Join(err, m.end(nil))
}
