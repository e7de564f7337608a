package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// The descriptors of an heir.
const (
	heirAlive  = 3 + iota
	heirStdout // or the terminal
	heirStderr
	heirStdin // what a client that comes later may write to
)

// The last argument of an heir, or none.
const (
	heirReads = "stdin" // it has heirStdin
	heirExecs = "exec"  // it is that of an exec, and has nothing but a terminal
)

// heir is this program, as which the keeper goes on when this process has gone.
func (m *Monitor) heir(s *stdio, client Streams) (*step.Heir, error) {
	files := []*os.File{m.alive, s.ours[1]}
	if s.ours[2] != nil {
		files = append(files, s.ours[2])
	}
	// Input that is one client's ends with it.
	if s.ours[0] != nil && s.terminal() == nil && (client.In == nil || !m.c.Config.StdinOnce) {
		return m.store.heir(append(files, s.ours[0]), m.c.ID, heirReads)
	}
	return m.store.heir(files, m.c.ID)
}

// heir is this program with the arguments of [Store.Inherit].
func (s *Store) heir(files []*os.File, args ...string) (*step.Heir, error) {
	self, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return &step.Heir{
		Program: self,
		Args:    append([]string{"gocker", "--root", s.Root, "--run-root", s.RunRoot, "monitor"}, args...),
		// It mostly waits: one thread that runs Go is enough, and smaller. Its
		// garbage is collected once it has settled.
		Env:   []string{defaultPath, "GOMAXPROCS=1", "GOGC=off"},
		Files: files,
	}, nil
}

// inheritedStreams are those of a container whose monitor this process becomes.
func inheritedStreams(spec *Spec, input bool) *stdio {
	if spec.Process.Terminal {
		terminal := inherited(heirStdout)
		return &stdio{ours: [3]*os.File{terminal, terminal, nil}}
	}
	s := &stdio{ours: [3]*os.File{1: inherited(heirStdout), 2: inherited(heirStderr)}}
	if input {
		s.ours[0] = inherited(heirStdin)
	}
	return s
}

// Inherit makes this process, which the keeper has become, the monitor of a
// running container: it returns when that has ended and nothing is left. The
// arguments are the container's ID, and a word on what it has been left.
func (s *Store) Inherit(args ...string) error {
	unix.Umask(0o022)
	nameProcess()
	if slices.Contains(args, heirExecs) {
		return inheritExec()
	}
	m := &Monitor{store: s, alive: inherited(heirAlive)}
	var err error
	if m.c, err = s.read(args[0]); errors.Is(err, ErrNotFound) {
		return nil // ended and removed
	}
	if err != nil {
		return err
	}
	pid, err := onlyChild()
	if err != nil {
		return err
	}
	h, err := lookAtHost()
	if err != nil {
		return err
	}
	spec, err := m.c.Spec()
	if err != nil {
		return err
	}
	group, err := h.cgroups.Group(spec.Linux.CgroupsPath, nil)
	if err != nil {
		return err
	}
	m.plans = &plans{group: group, host: m.c.hostPlan(spec, group), clone: step.Clone{Flags: newNamespaces(spec)}}
	if m.log, err = m.c.openLog(); err != nil {
		return err
	}
	if start, err := startTime(pid); err != nil || start != m.c.State.StartTime {
		// Whoever started it was killed before it could say so.
		if err := m.recordStart(pid); err != nil {
			return err
		}
	}
	streams := inheritedStreams(spec, slices.Contains(args[1:], heirReads))
	m.makePumps(streams)
	if err := m.pumps.door.open(); err != nil {
		return err
	}
	if _, err := os.Lstat(m.c.exitFile()); err == nil {
		// Somebody waits for the end, who may have been attached to the last
		// monitor and is coming back: what is printed meanwhile is for them too.
		time.Sleep(4 * doorPoll)
	}
	m.pumps.start(streams, Streams{}, m.log)
	exit, err := m.waitAsParent(pid)
	err = errors.Join(err, m.finish(exit))
	if m.c.State.Status == Restarting {
		err = errors.Join(err, m.again())
	}
	return errors.Join(err, s.SweepNetwork())
}

// inheritExec makes this process the other side of the terminal of an exec whose
// client has left: nobody reads what is printed.
func inheritExec() error {
	const terminal = 3
	pid, err := onlyChild()
	if err != nil {
		return err
	}
	unix.CloseOnExec(terminal)
	go func() { _, _ = io.Copy(io.Discard, os.NewFile(terminal, "terminal")) }()
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return err
		}
	}
}

// nameProcess gives this process the name that ps and top show: executed from a
// descriptor, it has that one's number.
func nameProcess() {
	_ = os.WriteFile("/proc/self/comm", []byte("gocker"), 0)
}

// inherited returns a descriptor that the process was started with.
func inherited(fd int) *os.File {
	unix.CloseOnExec(fd)
	if fd != heirAlive {
		_ = unix.SetNonblock(fd, true)
	}
	return os.NewFile(uintptr(fd), "inherited")
}

// onlyChild returns the pid of this process's child. See proc_pid_task(5).
func onlyChild() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err != nil {
		return 0, err
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		return 0, fmt.Errorf("find the container's process among the children %q: %w", b, err)
	}
	return pid, nil
}

// waitAsParent is the beginning of Wait for a child of this process.
func (m *Monitor) waitAsParent(pid int) (*Exit, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("wait for the container: %w", err)
	}
	defer unix.Close(fd)
	if _, err := sleepSmall([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil {
		return nil, fmt.Errorf("wait for the container: %w", err)
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if err == nil {
			return m.ended(status)
		}
		if err != unix.EINTR {
			return nil, fmt.Errorf("wait for the container: %w", err)
		}
	}
}
