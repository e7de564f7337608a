package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// Monitor is what stays beside a running container. In the foreground it is the
// process of the client, which needs no other one; when that ends before the
// container does, by kill -9 too, the kernel tells the keeper (see package
// step), and that executes `gocker monitor ID`, which goes on.
type Monitor struct {
	c     *Container
	store *Store
	alive *os.File // the lock that says that this container has a monitor
	plans *plans
	proc  *step.Process // nil in an heir, the parent of the command itself
	log   *logFile
	pumps *pumps
}

// Exit is how a container ended.
type Exit struct {
	Code      int
	OOMKilled bool
}

// StartError says that the command of a container did not start.
type StartError struct {
	Code    int // what run exits with
	Message string
	err     error
}

func (e *StartError) Error() string { return e.Message }

// Unwrap returns what [step.Hint] looks at.
func (e *StartError) Unwrap() error { return e.err }

// Start starts a container that has been created and returns its monitor, which
// is this process until [Monitor.Wait] or [Monitor.Leave] return.
//
//	lock → host plan → clone, inside plan → record the start
//
// A [*StartError] is in the container's state too, and with --rm the container
// is gone. The error is [ErrRunning] when it runs already.
func (s *Store) Start(c *Container, streams Streams) (*Monitor, error) {
	m := &Monitor{c: c, store: s}
	locked, err := s.lockToStart(c)
	if err != nil {
		return nil, err
	}
	defer locked.Close()
	if err := m.lock(); err != nil {
		return nil, err
	}
	if err := m.start(streams); err != nil {
		failed := &StartError{Code: startCode(err), Message: startMessage(c, err), err: err}
		locked.Close() // --rm wants it
		return nil, errors.Join(failed, m.end(failed))
	}
	return m, nil
}

// lock makes the run directory and locks it for as long as the container has a
// monitor. It has its name only when it is locked: to whoever sees it unlocked
// its monitor is dead.
func (m *Monitor) lock() error {
	made := fmt.Sprintf("%s.%d", m.c.runDir, os.Getpid())
	for {
		if err := os.Mkdir(made, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		f, err := lock(made, true)
		if err == nil {
			if err = os.Rename(made, m.c.runDir); err == nil {
				m.alive = f
				return nil
			}
			f.Close()
		}
		switch {
		case errors.Is(err, os.ErrNotExist): // another has swept it away
		case errors.Is(err, os.ErrExist):
			return errors.Join(fmt.Errorf("container %s is running already", m.c.ShortID()), os.Remove(made))
		default:
			return err
		}
	}
}

// start does the host plan and forks the container's first process.
func (m *Monitor) start(streams Streams) error {
	spec, err := m.c.Spec()
	if err != nil {
		return err
	}
	h, err := lookAtHost()
	if err != nil {
		return err
	}
	if h.joined, err = m.store.join(m.c, spec); err != nil {
		return err
	}
	defer closeJoined(h.joined)
	if m.c.HostConfig.NetworkMode == modeBridge {
		if err := m.store.connect(m.c); err != nil {
			return err
		}
	}
	if m.log, err = m.c.openLog(); err != nil {
		return err
	}
	stdio, err := makeStreams(spec, m.c.Config.OpenStdin)
	if err != nil {
		return err
	}
	defer stdio.closeTheirs()
	if m.plans, err = m.c.plans(spec, h, stdio); err != nil {
		return err
	}
	defer m.plans.close()
	heir, err := m.heir(stdio, streams)
	if err != nil {
		return err
	}
	defer heir.Program.Close()
	m.plans.clone.Heir = heir
	if m.plans.clone.Terminal, err = streams.restore(); err != nil {
		return err
	}
	if err := streams.fit(stdio.terminal()); err != nil {
		return err
	}
	if err := m.plans.host.Do(); err != nil {
		return err
	}
	if err := m.plans.openLate(); err != nil {
		return err
	}
	if m.proc, err = m.plans.inside.Fork(m.plans.clone); err != nil {
		return err
	}
	m.plans.inside = nil // done; what is left is for the end
	err = m.recordStart(m.proc.Pid)
	if err == nil {
		m.store.note(m.c, "start")
		err = m.store.startProber(m.c)
	}
	if err != nil {
		return errors.Join(err, m.plans.group.Kill(), m.proc.Release())
	}
	if err := streams.ready(); err != nil {
		return errors.Join(err, m.plans.group.Kill(), m.proc.Release())
	}
	m.makePumps(stdio)
	m.pumps.start(stdio, streams, m.log)
	door := m.pumps.door
	time.AfterFunc(doorAfter, func() { _ = door.open() }) // to run without is better than not to run
	return nil
}

// makePumps prepares to move what the command reads and prints.
func (m *Monitor) makePumps(s *stdio) {
	m.pumps = newPumps(s, m.c.Config.StdinOnce)
	m.pumps.door = &door{dir: m.alive, pumps: m.pumps}
}

func (m *Monitor) recordStart(pid int) error {
	m.c.State = State{Status: Running, Pid: pid, StartedAt: time.Now().UTC(), FinishedAt: m.c.State.FinishedAt, RestartCount: m.c.State.RestartCount, RestartDelay: m.c.State.RestartDelay, Health: m.c.State.Health}
	var err error
	if m.c.State.StartTime, err = startTime(pid); err != nil {
		return err
	}
	if m.c.State.BootID, err = bootID(); err != nil {
		return err
	}
	return m.c.writeState()
}

// Signal sends a signal to the command.
func (m *Monitor) Signal(sig syscall.Signal) error {
	return unix.PidfdSendSignal(int(m.proc.PidFD.Fd()), sig, nil, 0)
}

// Wait waits for the command and for the end of its output, records how it
// ended, and cleans up after it. With its first process the kernel ends all
// others of the pid namespace. The error is [ErrDetached] when the client has
// left, and the container goes on.
func (m *Monitor) Wait() (*Exit, error) {
	status, err := m.pumps.wait(m.proc)
	if errors.Is(err, ErrDetached) {
		return nil, errors.Join(err, m.Leave())
	}
	if err != nil {
		// Nobody can tell how it will end, so it ends now.
		err = errors.Join(err, m.plans.group.Kill())
		status = unix.WaitStatus(unix.SIGKILL)
	}
	exit, ended := m.ended(status)
	err = errors.Join(err, ended, m.finish(exit), m.proc.Release())
	if m.c.State.Status == Restarting {
		err = errors.Join(err, m.again())
	}
	return exit, err
}

// Resize tells the container's terminal its size.
func (m *Monitor) Resize(size Size) error { return m.pumps.resize(size) }

// Leave lets the container go on without this process: the heir goes on where
// this one has stopped reading.
func (m *Monitor) Leave() error {
	m.pumps.stop()
	m.pumps.door.close()
	return errors.Join(m.proc.Bequeath(), m.alive.Close())
}

// ended works out what an exit status means for the container.
func (m *Monitor) ended(status unix.WaitStatus) (*Exit, error) {
	if m.plans.clone.Flags&unix.CLONE_NEWPID == 0 {
		// No namespace ends the others, who may hold the streams open.
		if err := m.plans.group.Kill(); err != nil {
			return &Exit{Code: 255}, err
		}
	}
	m.pumps.door.hurry()
	m.pumps.drain()
	m.pumps.door.close()
	exit := &Exit{Code: status.ExitStatus()}
	if status.Signaled() {
		exit.Code = 128 + int(status.Signal())
	}
	// The counter goes with the cgroup.
	events, err := m.plans.group.Events()
	exit.OOMKilled = events.OOMKills > 0
	return exit, err
}

// finish records the exit and cleans up. Another may have begun with that. What is
// left for [Monitor.again] is a container that is [Restarting].
func (m *Monitor) finish(exit *Exit) error {
	err := m.c.awaitProber()
	if m.c.HostConfig.AutoRemove && m.c.kept() {
		m.c.HostConfig.AutoRemove = false // of this end
	}
	if m.c.State.Status != Exited {
		err = errors.Join(err, m.c.tell(exit.Code))
		m.c.State.Status = Exited
		m.c.State.Pid = 0
		m.c.State.ExitCode = exit.Code
		m.c.State.OOMKilled = exit.OOMKilled
		m.c.State.FinishedAt = time.Now().UTC()
		if exit.OOMKilled {
			m.store.note(m.c, "oom")
		}
		m.store.note(m.c, "die", exitAttributes(exit.Code)...)
		restarts, rerr := m.restarts()
		if restarts {
			m.c.State.Status = Restarting
			m.c.State.RestartDelay = m.c.State.nextRestartDelay()
			m.c.State.RestartCount++
		}
		err = errors.Join(err, rerr)
		if !m.c.HostConfig.AutoRemove {
			err = errors.Join(err, m.c.writeState())
		}
	}
	if m.c.State.Status == Restarting {
		return errors.Join(err, m.plans.host.Undo())
	}
	return errors.Join(err, m.end(nil))
}

// end takes back what was done on the host, for a container that has ended or,
// with failed, that could not start.
func (m *Monitor) end(failed *StartError) error {
	var errs []error
	if m.plans != nil {
		errs = append(errs, m.plans.host.Undo())
	}
	if failed != nil {
		if m.c.State.Status == Restarting {
			m.c.State.Status = Exited
		}
		m.c.State.ExitCode = failed.Code
		m.c.State.Error = failed.Message
		errs = append(errs, m.c.writeState())
	}
	if m.c.HostConfig.AutoRemove {
		errs = append(errs, m.store.remove(m.c, true))
	}
	return errors.Join(append(errs, removeTree(m.c.runDir), m.alive.Close())...)
}

// startTime reads when a process started, in clock ticks after the boot. See
// proc_pid_stat(5), field 22.
func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	return parseStartTime(b)
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return string(b[:len(b)-1]), nil
}
