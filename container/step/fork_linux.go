package step

import (
	"errors"
	"fmt"
	"io"
	"os"
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
	// process is born, "" for the caller's own. See clone(2),
	// CLONE_INTO_CGROUP (Linux 5.7).
	CgroupPath string
	// Into is a descriptor of a process, see pidfd_open(2), in whose PID
	// namespace the new one is; nil for the caller's own, or a new one.
	Into *os.File
	// IntoPID is the number of that process, for printing.
	IntoPID int
	// Files become the descriptors of the process, from 0 on; nil leaves one
	// out. The first three are /dev/null then. Nothing else is inherited.
	Files []*os.File
	// Heir takes over when the process that forks ends before it has released
	// the one it made; nil lets that one go on alone.
	Heir *Heir
	// Terminal is given its mode back at the same time.
	Terminal *Terminal
}

// Terminal is one that this process has put into another mode, and the mode
// that it is to have again when this process ends without [Process.Release].
type Terminal struct {
	File *os.File
	Mode unix.Termios
}

// Heir is a program that goes on when whoever forked a process has gone. It is
// executed by the process's parent, and so can wait for it.
type Heir struct {
	Program *os.File // may be opened with O_PATH
	Args    []string
	Env     []string
	// Files are its descriptors from 3 on. Until then they stay open in the
	// parent. The first three are /dev/null.
	Files []*os.File
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

// namespaceNames returns the words of unshare(1) for flags.
func namespaceNames(flags uintptr) []string {
	names := []string{}
	for _, ns := range namespaces {
		if flags&ns.flag != 0 {
			names = append(names, ns.word)
		}
	}
	return names
}

// namespaceOptions returns the options of unshare(1), with a space before each.
func namespaceOptions(flags uintptr) string {
	var b strings.Builder
	for _, name := range namespaceNames(flags) {
		b.WriteString(" --" + name)
	}
	if flags&unix.CLONE_NEWNS != 0 {
		b.WriteString(" --propagation unchanged")
	}
	return b.String()
}

// Shell prints the clone as unshare(1), after nsenter(1) where it is in another's
// PID namespace.
func (c Clone) Shell() string {
	line := "unshare" + namespaceOptions(c.Flags) + " --fork"
	if c.IntoPID != 0 {
		line = fmt.Sprintf("nsenter --target %d --pid %s", c.IntoPID, line)
	}
	return line
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

// Process is a child that [Plan.Fork] made. Its parent is the keeper, a process
// of this package that is a child of the caller: see keeper_linux.go.
type Process struct {
	Pid    int      // in the namespace of the caller; it means nobody else until Release
	PidFD  *os.File // see pidfd_open(2)
	keeper int
	link   *os.File
}

// cloning is the index of what belongs to the clone, before the first step.
const cloning = -1

// Fork makes a process as c says, which does the plan's steps and so becomes
// the program of the last one, an [Exec]. It returns when the program runs, or
// with an [*Error] that names the step; the process is then gone. The caller
// ends with [Process.Release].
//
// Go can't fork: other threads may hold locks that would stay held for ever.
// So the plan is compiled to system calls and they to a program of their own,
// which clones, and runs the calls between its clone and the exec.
func (p Plan) Fork(c Clone) (*Process, error) {
	steps := p.Steps()
	if len(steps) == 0 {
		return nil, errors.New("fork: the plan is empty")
	}
	if _, ok := steps[len(steps)-1].(Exec); !ok {
		return nil, fmt.Errorf("fork: the last step is not an exec: %s", steps[len(steps)-1].Shell())
	}
	k := newKeptProgram()
	if err := k.in(inChild, func(p *program) error { return p.steps(steps) }); err != nil {
		return nil, err
	}
	proc, rep, err := k.start(c)
	if err != nil {
		return nil, err
	}
	switch {
	case proc != nil:
		return proc, nil
	case rep.a == cloning:
		return nil, &Error{Index: 1, Total: 1, Step: c, Err: syscall.Errno(rep.b)}
	}
	return nil, &Error{Index: int(rep.a) + 1, Total: len(steps), Step: steps[rep.a], Err: syscall.Errno(rep.b)}
}

// steps compiles the steps of an inside plan.
func (p *program) steps(steps []Step) error {
	for i, s := range steps {
		p.step = int32(i)
		cs, ok := s.(compiler)
		if !ok {
			return fmt.Errorf("step %d of %d: %s: not a step of an inside plan", i+1, len(steps), s.Shell())
		}
		cs.compile(p)
		if p.err != nil {
			return &Error{Index: i + 1, Total: len(steps), Step: s, Err: p.err}
		}
	}
	return nil
}

// start executes the program. It returns the process, or what the keeper or its
// child says has failed.
func (k *keptProgram) start(c Clone) (*Process, message, error) {
	var rep message
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, rep, fmt.Errorf("fork: %w", err)
	}
	defer null.Close()
	link, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(link[0], true) // for the runtime's poller
	}
	if err != nil {
		return nil, rep, fmt.Errorf("fork: socketpair: %w", err)
	}
	defer func() { unix.Close(link[1]) }()
	fail := func(err error) (*Process, message, error) { return nil, rep, errors.Join(err, unix.Close(link[0])) }

	// The command's descriptors come first, then the keeper's own.
	var files []uintptr
	for i := range max(3, len(c.Files)) {
		switch {
		case i < len(c.Files) && c.Files[i] != nil:
			files = append(files, c.Files[i].Fd())
		case i < 3:
			files = append(files, null.Fd())
		default:
			files = append(files, ^uintptr(0))
		}
	}
	own := len(files)
	files = append(files, uintptr(link[1]))
	k.head.link = uint64(own)
	if c.CgroupPath != "" {
		group, err := unix.Open(c.CgroupPath, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fail(fmt.Errorf("open cgroup %s: %w", c.CgroupPath, err))
		}
		defer unix.Close(group)
		k.head.clone.flags |= unix.CLONE_INTO_CGROUP
		k.head.clone.cgroup = uint64(len(files))
		files = append(files, uintptr(group))
	}
	into := -1
	if c.Into != nil {
		into = len(files)
		files = append(files, c.Into.Fd())
	}
	terminal := len(files)
	if c.Terminal != nil {
		files = append(files, c.Terminal.File.Fd())
	}
	heir := len(files)
	if c.Heir != nil {
		for _, f := range append(c.Heir.Files[:len(c.Heir.Files):len(c.Heir.Files)], c.Heir.Program) {
			files = append(files, f.Fd())
		}
	}
	k.head.clone.flags |= uint64(c.Flags) | unix.CLONE_PIDFD | unix.CLONE_VFORK
	k.head.clone.pidFD = keeperData + uint64(unsafe.Offsetof(k.head.pidFD))
	k.head.clone.exitSignal = uint64(unix.SIGCHLD)
	k.head.polled = [2]unix.PollFd{{Events: unix.POLLIN}, {Fd: int32(own), Events: unix.POLLIN}}
	if err := k.in(inKeeper, func(p *program) error {
		p.step = cloning
		// Only a starter gives it the link. An image that executes it, as
		// /proc/self/exe, gets nothing but an exit code.
		p.add(unix.SYS_FCNTL, uintptr(own), unix.F_GETFD)
		p.add(unix.SYS_CLOSE_RANGE, uintptr(own), uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
		p.add(unix.SYS_PRCTL, unix.PR_SET_NAME, p.cstring("gocker"))
		if into >= 0 {
			p.add(unix.SYS_SETNS, uintptr(into), unix.CLONE_NEWPID)
		}
		return nil
	}); err != nil {
		return fail(err)
	}
	if err := k.in(inHeir, func(p *program) error {
		if into >= 0 {
			// Threads, which a Go program needs, are refused while children are
			// to be in another PID namespace. See setns(2).
			p.add(unix.SYS_OPENAT, cwd, p.cstring("/proc/self/ns/pid"), unix.O_RDONLY|unix.O_CLOEXEC).hold = true
			p.add(unix.SYS_SETNS, 0, unix.CLONE_NEWPID).onHeld = true
			p.add(unix.SYS_CLOSE).onHeld = true
		}
		if t := c.Terminal; t != nil {
			p.add(unix.SYS_IOCTL, uintptr(terminal), unix.TCSETS, pointer(p, &t.Mode)).tolerate(unix.EIO, unix.ENOTTY)
		}
		if c.Heir != nil {
			c.Heir.compile(p, heir)
		}
		return nil
	}); err != nil {
		return fail(err)
	}
	if err := k.keep(own); err != nil {
		return fail(err)
	}
	program, err := k.file()
	if err != nil {
		return fail(err)
	}
	defer program.Close()
	path, err := pathAbove(program, files)
	if err != nil {
		return fail(err)
	}
	defer path.Close()
	pid, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", path.Fd()), []string{"gocker", "keeper"}, &syscall.ProcAttr{
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fail(fmt.Errorf("fork: execute the plan's program: %w", err))
	}
	unix.Close(link[1]) // the end of the keeper is to be the end of the link
	link[1] = -1
	proc := &Process{keeper: pid, link: os.NewFile(uintptr(link[0]), "keeper")}
	if rep, err = proc.receive(); err != nil {
		return nil, rep, errors.Join(fmt.Errorf("fork: %w", err), proc.Release())
	}
	if rep.what == saysFailed {
		return nil, rep, proc.Release()
	}
	proc.Pid = int(rep.a)
	fd, err := unix.PidfdOpen(proc.Pid, 0)
	if err != nil {
		return nil, rep, errors.Join(fmt.Errorf("fork: pidfd_open: %w", err), proc.Release())
	}
	proc.PidFD = os.NewFile(uintptr(fd), "pidfd")
	return proc, rep, nil
}

// pathAbove returns f, at a number that none of the child's descriptors gets:
// package syscall moves those that are in the way of others above all of them,
// and its own pipe.
func pathAbove(f *os.File, files []uintptr) (*os.File, error) {
	highest := len(files)
	for _, fd := range files {
		if fd != ^uintptr(0) {
			highest = max(highest, int(fd))
		}
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, highest+len(files)+2)
	if err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// keep compiles what the keeper does after the clone. Its descriptors are the
// command's, the link from own on, and what is the heir's.
func (k *keptProgram) keep(own int) error {
	cwd := unix.AT_FDCWD
	return k.in(afterClone, func(p *program) error {
		// As long as a pipe of the command is open here, it would not end.
		p.add(unix.SYS_OPENAT, uintptr(cwd), p.cstring(os.DevNull), unix.O_RDWR|unix.O_CLOEXEC, 0).hold = true
		for fd := range uintptr(3) {
			p.add(unix.SYS_DUP3, 0, fd, 0).onHeld = true
		}
		p.add(unix.SYS_CLOSE).onHeld = true
		if own > 3 {
			p.add(unix.SYS_CLOSE_RANGE, 3, uintptr(own-1), 0)
		}
		p.add(unix.SYS_CHDIR, p.cstring("/"))
		return nil
	})
}

// compile is the way from the keeper to the heir, whose files, and after them
// its program, it has from a descriptor on.
func (h *Heir) compile(p *program, from int) {
	for i := range h.Files {
		p.add(unix.SYS_DUP3, uintptr(from+i), uintptr(3+i), 0)
	}
	argv, envp := p.cstrings(h.Args), p.cstrings(h.Env)
	p.add(unix.SYS_EXECVEAT, uintptr(from+len(h.Files)), p.cstring(""), argv, envp, unix.AT_EMPTY_PATH)
}

// receive waits for a message of the keeper.
func (p *Process) receive() (message, error) {
	var m message
	n, err := p.link.Read(asBytes(&m))
	switch {
	case errors.Is(err, io.EOF):
		return m, errors.New("the keeper of the process was killed")
	case err != nil:
		return m, fmt.Errorf("read from the keeper: %w", err)
	case n != len(asBytes(&m)):
		return m, fmt.Errorf("read from the keeper: %d bytes", n)
	}
	return m, nil
}

// Wait waits for the end of the process. Until [Process.Release] it stays a
// zombie. The error says that the keeper was killed: then nobody knows.
func (p *Process) Wait() (unix.WaitStatus, error) {
	m, err := p.receive()
	if err != nil {
		return 0, err
	}
	const exited, dumped = 1, 3 // of si_code in waitid(2)
	switch m.a {
	case exited:
		return unix.WaitStatus(m.b << 8), nil
	case dumped:
		return unix.WaitStatus(m.b | 0x80), nil
	}
	return unix.WaitStatus(m.b), nil
}

// Release lets the keeper end, and gives free what the process has in this one.
// When the process has ended, its pid may now be another's; when it runs, it
// goes on without anybody to wait for it.
func (p *Process) Release() error {
	_, err := p.link.Write([]byte{1})
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		err = nil // it was killed
	}
	// Closed with a message unread, the link would be reset, and what was sent
	// lost.
	for received := error(nil); received == nil; {
		_, received = p.receive()
	}
	p.link.Close()
	if p.PidFD != nil {
		p.PidFD.Close()
	}
	_, waitErr := ignoringEINTR(func() (int, error) { return unix.Wait4(p.keeper, nil, 0, nil) })
	return errors.Join(err, waitErr)
}

// Bequeath leaves the process to the heir, which takes over at once.
func (p *Process) Bequeath() error { return errors.Join(p.link.Close(), p.PidFD.Close()) }

func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR {
			return n, err
		}
	}
}
