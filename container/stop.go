package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// StopOptions are those of `gocker stop` and `gocker restart`.
type StopOptions struct {
	Signal  string // in the place of the container's stop signal
	Timeout *int   // seconds until it is killed, in the place of the container's; negative is for ever
}

// stopTimeout is how long a container has for its end when nobody says.
const stopTimeout = 10 * time.Second

// Stop asks a container to end by its stop signal, kills all of it when it has
// not ended after a while, and returns when it has ended. One that doesn't run
// has been stopped.
func (s *Store) Stop(name string, o StopOptions) error {
	c, err := s.Get(name)
	if err != nil {
		return err
	}
	return s.stop(c, o)
}

func (s *Store) stop(c *Container, o StopOptions) error {
	sig, err := c.stopSignal()
	if o.Signal != "" {
		sig, err = ParseSignal(o.Signal)
	}
	if err != nil {
		return err
	}
	for {
		r, err := s.hold(c)
		if r == nil {
			return err
		}
		err = r.stop(sig, o)
		r.close()
		// Its monitor may just have started it again.
		if err != nil || !c.HostConfig.RestartPolicy.active() {
			return err
		}
	}
}

// stop ends one run.
func (r *running) stop(sig unix.Signal, o StopOptions) error {
	c := r.c
	err := c.stayStopped()
	if err == nil {
		err = r.signal(sig)
	}
	if err != nil {
		return fmt.Errorf("cannot stop container: %s: %w", c.Name, err)
	}
	if err := c.thaw(); err != nil {
		return err
	}
	ended, err := r.ends(c.patience(o.Timeout))
	if err == nil && !ended {
		err = r.kill()
	}
	if err != nil {
		return fmt.Errorf("cannot stop container: %s: %w", c.Name, err)
	}
	err = r.await()
	if err == nil {
		r.s.note(c, "stop")
	}
	return err
}

// patience is the time between the stop signal and SIGKILL.
func (c *Container) patience(asked *int) time.Duration {
	if asked == nil {
		asked = c.Config.StopTimeout
	}
	switch {
	case asked == nil:
		return stopTimeout
	case *asked < 0:
		return -1
	}
	return time.Duration(*asked) * time.Second
}

// Kill sends a signal to the first process of a running container. After SIGKILL
// it returns when the container has ended. A paused container goes on if the
// signal is one that is to end it.
func (s *Store) Kill(name, signal string) error {
	c, err := s.Get(name)
	if err != nil {
		return err
	}
	failed := func(err error) error { return fmt.Errorf("cannot kill container: %s: %w", name, err) }
	sig, err := ParseSignal(signal)
	if err != nil {
		return failed(err)
	}
	r, err := s.hold(c)
	if err != nil {
		return err
	}
	if r == nil {
		return failed(notRunning(c))
	}
	defer r.close()
	ends, invalid := c.stopSignal()
	isEnd := sig == unix.SIGKILL || invalid == nil && (c.Config.StopSignal == "" || ends == sig)
	if isEnd {
		if err := c.stayStopped(); err != nil {
			return failed(err)
		}
	}
	if sig == unix.SIGKILL {
		if err := r.kill(); err != nil {
			return failed(err)
		}
		return r.await()
	}
	if err := r.signal(sig); err != nil {
		return failed(err)
	}
	if !isEnd {
		return invalid
	}
	return c.thaw()
}

// notRunning is docker's error of what can be done with running containers only.
func notRunning(c *Container) error { return c.notRunning() }

// Restart stops a container, if it runs, and starts it again; --rm doesn't remove
// it in between. The monitor is the caller's, as that of [Store.Start]; nil when
// somebody else has been faster to start it.
func (s *Store) Restart(name string, o StopOptions) (*Monitor, error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	failed := func(err error) error { return fmt.Errorf("Cannot restart container %s: %w", name, err) }
	kept, err := leaveWord(c.keepFile())
	if err != nil {
		return nil, failed(err)
	}
	var m *Monitor
	err = s.stop(c, o)
	if err == nil {
		m, err = s.Start(c, Streams{})
	}
	if errors.Is(err, ErrRunning) {
		err = nil // another has started it
	}
	if err = errors.Join(err, takeBack(kept)); err != nil {
		return m, failed(err)
	}
	if m != nil {
		s.note(c, "restart")
	}
	return m, nil
}

// Wait waits until a container ends and returns the exit code: the last one of a
// container that doesn't run.
func (s *Store) Wait(name string) (int, error) {
	c, err := s.Get(name)
	if err != nil {
		return 0, err
	}
	for {
		code, ended, err := s.wait(c)
		if errors.Is(err, ErrNotFound) {
			return 0, notFound{name}
		}
		if err != nil || ended {
			return code, err
		}
	}
}

// wait waits for the end of one run. What comes out of it is not known when it
// had ended before anybody waited, and the next one has begun.
func (s *Store) wait(c *Container) (code int, ended bool, err error) {
	r, err := s.hold(c)
	if r == nil {
		return c.State.ExitCode, true, err
	}
	defer r.close()
	word, err := leaveWord(c.exitFile())
	if err != nil {
		return 0, false, err
	}
	return r.exitCode(word)
}

// exitCode waits for the end of the run, whose exit file is open, and takes that
// back. Without an end that is known, the code is the one that the state has.
func (r *running) exitCode(word *os.File) (code int, known bool, err error) {
	text := make([]byte, 16)
	err = r.await()
	n, _ := word.ReadAt(text, 0)
	if err = errors.Join(err, takeBack(word)); err != nil {
		return 0, false, err
	}
	if code, err := strconv.Atoi(string(bytes.TrimSpace(text[:n]))); err == nil {
		return code, true, nil
	}
	now, err := r.s.read(r.c.ID)
	if err != nil {
		return 0, false, err
	}
	*r.c = *now
	return now.State.ExitCode, !now.State.Up(), nil
}

// lockToStart locks a container that may be started, as it is now.
func (s *Store) lockToStart(c *Container) (*os.File, error) {
	locked, err := s.lockThere(c)
	if err != nil {
		return nil, err
	}
	if c.made == nil {
		err = s.readToStart(c)
	}
	if err != nil {
		return nil, errors.Join(err, locked.Close())
	}
	return locked, nil
}

// ErrRunning is the answer to a start of what runs already.
var ErrRunning = errors.New("container is running already")

func (s *Store) readToStart(c *Container) error {
	now, err := s.load(c.ID)
	if err != nil {
		return err
	}
	*c = *now
	switch {
	case c.State.Paused:
		return errors.New("cannot start a paused container, try unpause instead")
	case c.State.Up():
		return ErrRunning
	case c.State.Status == Exited:
		// Its last monitor may be cleaning up.
		if err := c.awaitEnd(); err != nil {
			return err
		}
	}
	c.State.RestartCount, c.State.RestartDelay = 0, 0
	if err := c.forgetStop(); err != nil {
		return err
	}
	if c.HostConfig.AutoRemove {
		// The kernel does not take an overlay again that was mounted volatile.
		// See the kernel's overlayfs document, "Volatile mount".
		return removeTree(filepath.Join(c.dir, "work", "work", "incompat"))
	}
	return nil
}
