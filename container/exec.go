package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gocker/container/step"
	"gocker/layers"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ExecOptions are those of `gocker exec`.
type ExecOptions struct {
	Args       []string
	Env        []string // added to the container's
	User       string   // "" is the container's
	WorkingDir string   // "" is the container's
	Privileged bool
	Tty        bool
	// Detach leaves the process without streams.
	Detach bool
}

// Execution is a process that was started in a running container by this one.
type Execution struct {
	c       *Container
	proc    *step.Process
	streams *pumps

	store *Store
	id    string // for events
}

// Exec starts another process in a running container: in its namespaces and
// control groups, with its limits, capabilities and environment. The process is
// no child of the container's first one, but ends with it. The caller ends with
// [Execution.Wait] or [Execution.Leave].
//
// The error is a [*StartError] when the command can't be executed, and says "is
// not running" when the container has ended, however late.
func (s *Store) Exec(c *Container, o ExecOptions, streams Streams) (*Execution, error) {
	into, err := c.open()
	if err != nil {
		return nil, err
	}
	defer into.Close()
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	if spec, err = c.execSpec(spec, &o); err != nil {
		return nil, err
	}
	p, err := c.execPlans(spec, into)
	if err != nil {
		return nil, err
	}
	e := &Execution{c: c, store: s, id: NewID()}
	var stdio *stdio
	switch {
	case o.Detach:
		stdio = noStreams()
	case o.Tty:
		stdio, err = c.openTerminal(spec)
	default:
		stdio, err = makePipes(spec, streams.In != nil)
	}
	if err != nil {
		return nil, err
	}
	defer stdio.closeTheirs()
	// The descriptor of the container comes after them, see execPlans.
	p.clone.Files = append(stdio.theirs[:], into)
	if p.clone.Terminal, err = streams.restore(); err == nil {
		err = streams.fit(stdio.terminal())
	}
	if err != nil {
		stdio.closeOurs()
		return nil, err
	}
	if o.Tty && !o.Detach {
		if p.clone.Heir, err = s.heir([]*os.File{stdio.terminal()}, c.ID, heirExecs); err != nil {
			stdio.closeOurs()
			return nil, err
		}
		defer p.clone.Heir.Program.Close()
	}
	e.proc, err = p.inside.Fork(p.clone)
	if err != nil {
		stdio.closeOurs()
		if c.ended(into) || isEnding(err) {
			return nil, c.notRunning()
		}
		return nil, &StartError{Code: execCode(err), Message: execMessage(o.Args[0], err), err: err}
	}
	for _, action := range []string{"exec_create", "exec_start"} {
		s.note(c, action+": "+strings.Join(o.Args, " "), "execID", e.id)
	}
	if err := streams.ready(); err != nil {
		return nil, errors.Join(err, e.Signal(unix.SIGKILL), e.Leave())
	}
	e.streams = newPumps(stdio, true)
	e.streams.start(stdio, streams, nil)
	return e, nil
}

// isEnding reports whether a step failed because the container's first process
// is about to end: its namespaces go before it can be seen to have ended, and
// nothing is born in its PID namespace any more, for which clone(2) has ENOMEM.
func isEnding(err error) bool {
	var failed *step.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Step.(type) {
	case step.Clone:
		return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOMEM)
	case step.Enter:
		return errors.Is(err, unix.ESRCH)
	}
	return false
}

// execCode is startCode for a container that runs already: what else fails, such
// as the working directory, is told apart in the same way.
func execCode(err error) int {
	switch code := startCode(err); {
	case code != 125:
		return code
	case errors.Is(err, unix.ENOENT):
		return 127
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOTDIR):
		return 126
	}
	return 128
}

func execMessage(name string, err error) string {
	return "OCI runtime exec failed: " + strings.TrimPrefix(startMessage(&Container{Record: Record{Path: name}}, err), "failed to create task for container: ")
}

// notRunning has docker's words.
func (c *Container) notRunning() error {
	if c.State.Status == Restarting {
		return fmt.Errorf("Container %s is restarting, wait until the container is running", c.ID)
	}
	return fmt.Errorf("container %s is not running", c.ID)
}

// open returns a descriptor of the container's first process.
func (c *Container) open() (*os.File, error) {
	if c.State.Status != Running {
		return nil, c.notRunning()
	}
	fd, err := unix.PidfdOpen(c.State.Pid, 0)
	if err != nil {
		return nil, c.notRunning()
	}
	f := os.NewFile(uintptr(fd), "container")
	// With the descriptor open, the pid can't go to another process unseen.
	if start, err := startTime(c.State.Pid); err != nil || start != c.State.StartTime || c.ended(f) {
		return nil, errors.Join(c.notRunning(), f.Close())
	}
	return f, nil
}

// ended reports whether a process has ended.
func (c *Container) ended(pidfd *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	ready, err := poll(fds, 0)
	return ready || err != nil
}

// execSpec returns the spec of a command that is executed in the container.
func (c *Container) execSpec(spec *Spec, o *ExecOptions) (*Spec, error) {
	if len(o.Args) == 0 || o.Args[0] == "" {
		return nil, errors.New("No exec command specified")
	}
	conf := c.Config
	conf.Env = mergeEnv(slices.Clone(conf.Env), o.Env)
	conf.Tty = o.Tty
	if o.User != "" {
		conf.User = o.User
	}
	u, err := findUser(conf.User, c.HostConfig.GroupAdd, append(layers.Stack{c.upper()}, c.lowerStack()...))
	if err != nil {
		return nil, err
	}
	have, err := step.BoundingSet()
	if err != nil {
		return nil, err
	}
	proc := *spec.Process
	names := proc.Capabilities.Bounding
	if o.Privileged {
		names = have.Names()
	}
	permitted := names
	if u.uid != 0 {
		permitted = nil
	}
	proc.Capabilities = &specs.LinuxCapabilities{Bounding: names, Effective: permitted, Permitted: permitted}
	proc.Args = o.Args
	proc.Env = environment(&conf, conf.Hostname, u.home)
	proc.User = specs.User{UID: u.uid, GID: u.gid, AdditionalGids: u.groups, Umask: spec.Process.User.Umask}
	proc.Terminal = o.Tty
	if o.WorkingDir != "" {
		if !path.IsAbs(o.WorkingDir) {
			return nil, fmt.Errorf("Cwd must be an absolute path: %s", o.WorkingDir)
		}
		proc.Cwd = path.Clean(o.WorkingDir)
	}
	changed := *spec
	changed.Process = &proc
	return &changed, nil
}

// execInto is the number of the container's descriptor in an exec's plan.
const execInto = 3

// execPlans is the way of a new process into a running container.
func (c *Container) execPlans(spec *Spec, into *os.File) (*plans, error) {
	group, err := c.group()
	if err != nil {
		return nil, err
	}
	caps, err := step.BoundingSet()
	if err != nil {
		return nil, err
	}
	p := &plans{group: group}
	flags := namespacesToEnter(spec)
	p.clone = step.Clone{CgroupPath: group.V2Dir()}
	if flags&unix.CLONE_NEWPID != 0 {
		p.clone.Into = into
	}
	enter := append(group.Join(), oomSteps(spec)...)
	if rest := flags &^ unix.CLONE_NEWPID; rest != 0 {
		enter = append(enter, step.Enter{FD: execInto, PID: c.State.Pid, Flags: rest})
	}
	if flags&unix.CLONE_NEWNS == 0 {
		enter = append(enter, step.Chroot{Path: c.rootfs()})
	}
	p.inside = withoutEmpty(step.Plan{
		{Why: "Enter the container: its control groups, so that it is counted and limited with the others, and its namespaces.", Man: "setns(2), cgroups(7)", Steps: enter},
		{Why: "The working directory and what the process inherits.", Man: "umask(2), setrlimit(2)", Steps: inheritSteps(spec.Process)},
		{Why: "Last, give up power, and become the command.", Man: "capabilities(7), credentials(7)", Steps: execSteps(spec, caps, spec.Process.Terminal)},
	})
	return p, nil
}

// openTerminal makes a terminal in the container's own devpts. What stands in
// the place of its multiplexer may be the work of the image: it is used only
// when it is one.
func (c *Container) openTerminal(spec *Spec) (*stdio, error) {
	root, err := unix.Open(filepath.Join("/proc", fmt.Sprint(c.State.Pid), "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, c.notRunning()
	}
	defer unix.Close(root)
	pts, err := layers.Openat2(root, "dev/pts", &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("open the container's /dev/pts: %w", err)
	}
	defer unix.Close(pts)
	return newTerminal(pts, int(spec.Process.User.UID))
}

// Signal sends a signal to the process.
func (e *Execution) Signal(sig syscall.Signal) error {
	return unix.PidfdSendSignal(int(e.proc.PidFD.Fd()), sig, nil, 0)
}

// Resize tells the process's terminal its size.
func (e *Execution) Resize(size Size) error { return e.streams.resize(size) }

// Wait waits for the process and its output and returns its exit code, that of
// a shell when it was killed. The error is [ErrDetached] when the client has
// typed the keys for that.
func (e *Execution) Wait() (int, error) {
	status, err := e.streams.wait(e.proc)
	if errors.Is(err, ErrDetached) {
		return 0, errors.Join(err, e.Leave())
	}
	if err != nil {
		return 0, err
	}
	e.streams.drain()
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	e.store.note(e.c, "exec_die", append(exitAttributes(code), "execID", e.id)...)
	return code, e.proc.Release()
}

// Leave lets the process go on without this one.
func (e *Execution) Leave() error { return e.proc.Bequeath() }
