package step

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Clone says how the process of an inside plan is made.
type Clone struct {
	// Flags are the CLONE_NEW* flags of clone(2): a new namespace each.
	Flags uintptr
	// CgroupPath is the directory of the cgroup of version 2 in which the
	// process is born, "" for the caller's own. With CLONE_NEWCGROUP it is the
	// root that the process sees. See clone(2), CLONE_INTO_CGROUP (Linux 5.7).
	CgroupPath string
	// Enter is done before the clone by the thread that makes it, and Leave
	// after it, so that the child inherits what the thread is in: the cgroups
	// of version 1.
	Enter, Leave []Step
}

// namespaces are the clone flags and the words of unshare(1).
var namespaces = []struct {
	flag uintptr
	word string
}{
	{unix.CLONE_NEWUSER, "user"},
	{unix.CLONE_NEWNS, "mount"},
	{unix.CLONE_NEWPID, "pid"},
	{unix.CLONE_NEWUTS, "uts"},
	{unix.CLONE_NEWIPC, "ipc"},
	{unix.CLONE_NEWNET, "net"},
	{unix.CLONE_NEWCGROUP, "cgroup"},
}

// Shell prints the clone as unshare(1).
func (c Clone) Shell() string {
	words := []string{"unshare"}
	for _, ns := range namespaces {
		if c.Flags&ns.flag != 0 {
			words = append(words, "--"+ns.word)
		}
	}
	if c.Flags&unix.CLONE_NEWNS != 0 {
		words = append(words, "--propagation", "unchanged")
	}
	return strings.Join(append(words, "--fork"), " ")
}

// Do is not for a Clone: see [Plan.Fork]. It makes Clone a Step, so that an
// [Error] can name it.
func (c Clone) Do() error { return syscall.ENOTSUP }

// Undo is nil: the end of the process is the undo.
func (c Clone) Undo() Step { return nil }

func (c Clone) hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM) && c.Flags&unix.CLONE_NEWUSER != 0:
		return usernsHint()
	case errors.Is(err, unix.EPERM):
		return noSysAdmin()
	case errors.Is(err, unix.ENOSPC):
		return "a limit on the number of namespaces is reached: see /proc/sys/user/max_*_namespaces"
	case errors.Is(err, unix.EINVAL):
		return "the kernel lacks one of these namespaces: see CONFIG_NAMESPACES and its options"
	case errors.Is(err, unix.ENOSYS):
		return "clone3(2) requires Linux 5.3 or later and a seccomp filter that allows it"
	case errors.Is(err, unix.EAGAIN):
		return "a limit on the number of processes is reached: see ulimit -u and pids.max"
	}
	return ""
}

// usernsHint reads which of the known switches forbids user namespaces.
func usernsHint() string {
	switches := []struct{ path, forbids, hint string }{
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor forbids unprivileged user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "user namespaces are forbidden: sysctl kernel.unprivileged_userns_clone=1, or run as root"},
		{"/proc/sys/user/max_user_namespaces", "0", "user namespaces are forbidden: sysctl user.max_user_namespaces=15000, or run as root"},
	}
	for _, s := range switches {
		if b, err := os.ReadFile(s.path); err == nil && strings.TrimSpace(string(b)) == s.forbids {
			return s.hint
		}
	}
	return "user namespaces are forbidden here: run as root"
}

// Process is a child that Fork made.
type Process struct {
	Pid   int      // in the namespace of the caller
	PidFD *os.File // see pidfd_open(2)
}

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	flags, pidFD, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// cloning is the index of what belongs to the clone, before the first step.
const cloning = -1

// report is what a failing child writes to the pipe. Nothing written, and the
// pipe closed by exec, is success.
type report struct {
	step  int32
	errno uint32
}

// Fork makes a process as c says, which does the plan's steps and so becomes
// the program of the last one, an [Exec]. It returns when the program runs, or
// with an [*Error] that names the step; the process is then gone. The caller
// waits for the process with wait4(2).
//
// Go can't fork: other threads may hold locks that would stay held for ever.
// So the child gets the plan as an array of system calls and makes nothing but
// these, as package syscall does between its fork and exec, with the same
// hooks of the runtime. The child is single-threaded, which makes it able to
// enter user and mount namespaces.
//
// In a process that has made itself undumpable (see PR_SET_DUMPABLE(2const)) a
// child with a PID namespace of its own shares its memory until the exec, as in
// vfork(2), which is faster. The calling thread, and with it the garbage
// collector, then waits for the steps.
func (p Plan) Fork(c Clone) (*Process, error) {
	steps := p.Steps()
	if len(steps) == 0 {
		return nil, errors.New("fork: the plan is empty")
	}
	if _, ok := steps[len(steps)-1].(Exec); !ok {
		return nil, fmt.Errorf("fork: the last step is not an exec: %s", steps[len(steps)-1].Shell())
	}
	prog := &program{step: cloning}
	if c.CgroupPath != "" && c.Flags&unix.CLONE_NEWCGROUP != 0 {
		// A namespace that the clone makes has the parent's group as its root:
		// the child gets into its own only then.
		c.Flags &^= unix.CLONE_NEWCGROUP
		prog.add(unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	}
	for i, s := range steps {
		prog.step = int32(i)
		cs, ok := s.(compiler)
		if !ok {
			return nil, fmt.Errorf("step %d of %d: %s: not a step of an inside plan", i+1, len(steps), s.Shell())
		}
		cs.compile(prog)
		if prog.err != nil {
			return nil, &Error{Index: i + 1, Total: len(steps), Step: s, Err: prog.err}
		}
	}

	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("fork: pipe: %w", err)
	}
	defer unix.Close(pipe[0])
	if pipe[1] < prog.free {
		// The plan would put a descriptor of its own in the place of the end
		// to which the child writes.
		high, err := unix.FcntlInt(uintptr(pipe[1]), unix.F_DUPFD_CLOEXEC, prog.free)
		unix.Close(pipe[1])
		if err != nil {
			return nil, fmt.Errorf("fork: pipe: %w", err)
		}
		pipe[1] = high
	}
	proc, err := fork(prog, c, pipe[1])
	unix.Close(pipe[1])
	if err != nil {
		return nil, err
	}

	var rep report
	buf := (*[unsafe.Sizeof(rep)]byte)(unsafe.Pointer(&rep))[:]
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(pipe[0], buf) })
	if n == 0 && err == nil {
		return proc, nil
	}
	proc.reap()
	if err != nil {
		return nil, fmt.Errorf("fork: read of the child's report: %w", err)
	}
	if n != len(buf) {
		return nil, fmt.Errorf("fork: read of the child's report: %d bytes of %d", n, len(buf))
	}
	if rep.step == cloning {
		return nil, &Error{Index: 1, Total: 1, Step: c, Err: syscall.Errno(rep.errno)}
	}
	s := steps[rep.step]
	return nil, &Error{Index: int(rep.step) + 1, Total: len(steps), Step: s, Err: syscall.Errno(rep.errno)}
}

// fork clones with c, and in the child never returns.
func fork(prog *program, c Clone, pipe int) (*Process, error) {
	var pidfd int32 = -1
	args := &cloneArgs{
		flags:      uint64(c.Flags) | unix.CLONE_PIDFD,
		pidFD:      uint64(uintptr(unsafe.Pointer(&pidfd))),
		exitSignal: uint64(unix.SIGCHLD),
	}
	if c.CgroupPath != "" {
		group, err := unix.Open(c.CgroupPath, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open cgroup %s: %w", c.CgroupPath, err)
		}
		defer unix.Close(group)
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(group)
	}
	if mayShare(c.Flags) {
		args.flags |= unix.CLONE_VM | unix.CLONE_VFORK
	}
	rep := new(report)
	keep := &[]any{prog, args, rep, &pidfd}

	runtime.LockOSThread()
	for i, s := range c.Enter {
		if err := s.Do(); err != nil {
			return nil, errors.Join(
				&Error{Index: i + 1, Total: len(c.Enter), Step: s, Err: err}, leave(c.Leave))
		}
	}

	// A descriptor that another goroutine has opened without O_CLOEXEC yet
	// must not be copied.
	syscall.ForkLock.Lock()
	pid, errno := cloneAndRun(args, prog.calls, uintptr(pipe), rep)
	afterFork()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(keep)

	err := leave(c.Leave)
	if errno != 0 {
		return nil, errors.Join(&Error{Index: 1, Total: 1, Step: c, Err: errno}, err)
	}
	proc := &Process{Pid: int(pid), PidFD: os.NewFile(uintptr(pidfd), "pidfd")}
	if err != nil {
		_ = unix.Kill(proc.Pid, unix.SIGKILL)
		proc.reap()
		return nil, err
	}
	return proc, nil
}

// leave takes the thread back and gives it free, unless it could not be taken
// back: then no other goroutine may run on it, and it ends with this one.
func leave(steps []Step) error {
	var errs []error
	for _, s := range steps {
		if err := s.Do(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Shell(), err))
		}
	}
	if len(errs) == 0 {
		runtime.UnlockOSThread()
	}
	return errors.Join(errs...)
}

// reap waits for a child that is ending.
func (p *Process) reap() {
	_, _ = ignoringEINTR(func() (int, error) { return unix.Wait4(p.Pid, nil, 0, nil) })
	p.PidFD.Close()
}

func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR {
			return n, err
		}
	}
}
