package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// monitor is the process beside a running container.
type monitor struct {
	c      *Container
	store  *Store
	host   *host
	alive  *os.File // the lock that says that this monitor lives
	client *os.File
	out    frames
	plans  *plans
	proc   *step.Process
	pump   sync.WaitGroup
}

// Monitor runs a container to its end: it is what `gocker monitor ID` does. The
// client is a socket to whoever started it, stdin the client's standard input
// or nil. What goes wrong is told to the client and in the state.
//
//	wait for the client's go → host plan → clone, inside plan → copy and log
//	the output → wait → record the exit → tell the client → undo the host
//	plan → --rm
func (s *Store) Monitor(id string, client, stdin *os.File) error {
	unix.Umask(0o022)
	nameProcess()
	// Nobody may trace the monitor, nor the child that shares its memory until
	// it executes the command: see [step.Plan.Fork].
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_DUMPABLE: %w", err)
	}
	defer client.Close()
	m := &monitor{store: s, client: client, out: frames{w: client}}
	var err error
	// What needs no container is done while the client makes it.
	if m.host, err = lookAtHost(); err != nil {
		return m.refuse(err)
	}
	if kind, _, err := readFrame(client, nil); err != nil || kind != frameGo {
		return m.abandon(id)
	}
	m.c = s.handle(id)
	m.c.State.Status = Created
	if err := readJSON(m.c.recordPath(), &m.c.Record); err != nil {
		return m.refuse(err)
	}
	if err := m.lock(); err != nil {
		return m.refuse(err)
	}
	if err := m.start(stdin); err != nil {
		return errors.Join(m.refuse(err), m.end(err))
	}
	go m.serve()
	exit, err := m.wait()
	return errors.Join(err, m.finish(exit))
}

// abandon is for a client that was gone before it said go. What it may have
// created is for --rm to remove.
func (m *monitor) abandon(id string) error {
	c, err := m.store.load(id)
	if err != nil || !c.HostConfig.AutoRemove {
		return nil // not created, or to be kept
	}
	return m.store.remove(c, true)
}

// nameProcess gives this process the name that ps and top show: executed from a
// descriptor, it has that one's number.
func nameProcess() {
	name := []byte("gocker\x00")
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
}

// lock makes the run directory and locks it for the life of this process. It
// has its name only when it is locked: to whoever sees it unlocked its monitor
// is dead.
func (m *monitor) lock() error {
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

// refuse tells the client that the command does not run.
func (m *monitor) refuse(err error) error {
	exit := Exit{Failed: true, Code: startCode(err), Message: startMessage(m.c, err), Hint: step.Hint(err)}
	return m.out.writeJSON(frameFailed, &exit)
}

// start does the host plan and forks the container's first process.
func (m *monitor) start(stdin *os.File) error {
	spec, err := m.c.Spec()
	if err != nil {
		return err
	}
	log, err := openLog(m.c.LogPath())
	if err != nil {
		return err
	}
	stdio, err := m.pipes(spec, stdin != nil)
	if err != nil {
		return err
	}
	defer stdio.closeTheirs()
	if m.plans, err = m.c.plans(spec, m.host, stdio); err != nil {
		return err
	}
	defer m.plans.close()
	if err := m.plans.host.Do(); err != nil {
		return err
	}
	if m.proc, err = m.plans.inside.Fork(m.plans.clone); err != nil {
		return err
	}
	m.plans.inside = nil // done; what is left is for the end
	if err := m.recordStart(); err != nil {
		return errors.Join(err, m.plans.group.Kill())
	}
	m.copy(stdio, log, stdin)
	// A client that has gone does not matter from here on.
	_ = m.out.write(frameStarted, nil)
	return nil
}

func (m *monitor) recordStart() error {
	m.c.State = State{Status: Running, Pid: m.proc.Pid, StartedAt: time.Now().UTC()}
	var err error
	if m.c.State.StartTime, err = startTime(m.proc.Pid); err != nil {
		return err
	}
	if m.c.State.BootID, err = bootID(); err != nil {
		return err
	}
	return m.c.writeState()
}

// stdio are the pipes between the monitor and the command.
type stdio struct {
	ours, theirs [3]*os.File
}

// pipes makes the command's three streams. They belong to the user as whom it
// runs, so that it may open them again through /dev/stdout.
func (m *monitor) pipes(spec *Spec, input bool) (*stdio, error) {
	s := new(stdio)
	var err error
	if input {
		s.ours[0], s.theirs[0], err = pipe(writeEnd)
	} else {
		s.theirs[0], err = os.Open(os.DevNull)
	}
	for i := 1; i <= 2 && err == nil; i++ {
		s.ours[i], s.theirs[i], err = pipe(readEnd)
	}
	if err != nil {
		s.closeTheirs()
		return nil, err
	}
	uid := int(spec.Process.User.UID)
	for i, f := range s.theirs {
		if uid != 0 && s.ours[i] != nil {
			if err := unix.Fchown(int(f.Fd()), uid, -1); err != nil {
				return nil, fmt.Errorf("give the streams to user %d: %w", uid, err)
			}
		}
	}
	return s, nil
}

func (s *stdio) closeTheirs() {
	for _, f := range s.theirs {
		if f != nil {
			f.Close()
		}
	}
}

// copy starts what moves the streams.
func (m *monitor) copy(s *stdio, log *logFile, stdin *os.File) {
	if stdin != nil {
		go func() {
			_, _ = io.Copy(s.ours[0], stdin) // ends when either side closes
			s.ours[0].Close()
			stdin.Close()
		}()
	}
	m.pump.Add(2)
	go m.copyOut(s.ours[1], frameStdout, &logStream{log: log, name: "stdout"})
	go m.copyOut(s.ours[2], frameStderr, &logStream{log: log, name: "stderr"})
}

// copyOut logs a stream and passes it on for as long as the client is there. A
// client that reads slowly slows the command; nothing is lost.
func (m *monitor) copyOut(from *os.File, kind byte, log *logStream) {
	defer m.pump.Done()
	defer from.Close()
	buf := make([]byte, 32<<10)
	attached := true
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_ = log.write(buf[:n]) // a full disk must not end the command
			if attached {
				attached = m.out.write(kind, buf[:n]) == nil
			}
		}
		if err != nil {
			_ = log.close()
			return
		}
	}
}

// serve does what the client asks until it goes away.
func (m *monitor) serve() {
	buf := make([]byte, 64)
	for {
		kind, data, err := readFrame(m.client, buf)
		if err != nil {
			return
		}
		if sig, err := strconv.Atoi(string(data)); err == nil && kind == frameSignal {
			_ = unix.PidfdSendSignal(int(m.proc.PidFD.Fd()), syscall.Signal(sig), nil, 0)
		}
	}
}

// wait waits for the command and for the end of its output. With its first
// process the kernel ends all others of the pid namespace.
func (m *monitor) wait() (*Exit, error) {
	if err := sleepSmall(m.proc.PidFD); err != nil {
		return &Exit{Code: 255}, fmt.Errorf("wait for the container: %w", err)
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(m.proc.Pid, &status, 0, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return &Exit{Code: 255}, fmt.Errorf("wait for the container: %w", err)
		}
	}
	if m.plans.clone.Flags&unix.CLONE_NEWPID == 0 {
		// No namespace ends the others, who may hold the streams open.
		if err := m.plans.group.Kill(); err != nil {
			return &Exit{Code: 255}, err
		}
	}
	m.pump.Wait()
	exit := &Exit{Code: status.ExitStatus()}
	if status.Signaled() {
		exit.Code = 128 + int(status.Signal())
	}
	// The counter goes with the cgroup.
	events, err := m.plans.group.Events()
	exit.OOMKilled = events.OOMKills > 0
	return exit, err
}

// finish records the exit and cleans up. The client learns the exit code
// first and, when the socket closes, that nothing is left.
func (m *monitor) finish(exit *Exit) error {
	m.c.State.Status = Exited
	m.c.State.Pid = 0
	m.c.State.ExitCode = exit.Code
	m.c.State.OOMKilled = exit.OOMKilled
	m.c.State.FinishedAt = time.Now().UTC()
	var err error
	if !m.c.HostConfig.AutoRemove {
		err = m.c.writeState()
	}
	end := []byte{byte(exit.Code), 0}
	if exit.OOMKilled {
		end[1] = 1
	}
	_ = m.out.write(frameExit, end)
	return errors.Join(err, m.end(nil))
}

// end takes back what was done on the host, for a container that has ended or,
// with failed, that could not start.
func (m *monitor) end(failed error) error {
	var errs []error
	if m.plans != nil {
		errs = append(errs, m.plans.host.Undo())
	}
	if failed != nil {
		m.c.State.ExitCode = startCode(failed)
		m.c.State.Error = startMessage(m.c, failed)
		errs = append(errs, m.c.writeState())
	}
	if m.c.HostConfig.AutoRemove {
		errs = append(errs, m.store.remove(m.c, true))
	}
	return errors.Join(append(errs, os.RemoveAll(m.c.runDir))...)
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
