package step

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The steps of this file change the process that does them. They belong to an
// inside plan; done in a Go program they would change one thread of it.

// Sethostname sets the host name of the UTS namespace. See sethostname(2).
type Sethostname struct{ Name string }

// Shell writes the kernel's file, which has the same effect in the writer's
// namespace and needs no hostname(1).
func (s Sethostname) Shell() string {
	return "printf %s " + Quote(s.Name) + " > /proc/sys/kernel/hostname"
}

// Do sets the name.
func (s Sethostname) Do() error { return do(s) }

// Undo is nil: the end of the namespace is the undo.
func (s Sethostname) Undo() Step { return nil }

func (s Sethostname) compile(p *program) {
	p.add(unix.SYS_SETHOSTNAME, p.cstring(s.Name), uintptr(len(s.Name)))
}

// Umask sets the file mode creation mask. See umask(2).
type Umask struct{ Mask uint32 }

// Shell prints umask.
func (s Umask) Shell() string { return fmt.Sprintf("umask %04o", s.Mask) }

// Do sets the mask.
func (s Umask) Do() error { return do(s) }

// Undo is nil.
func (s Umask) Undo() Step { return nil }

func (s Umask) compile(p *program) { p.add(unix.SYS_UMASK, uintptr(s.Mask)) }

// Rlimit sets one resource limit. Resource is the name of prlimit(1)'s option,
// "nofile". Raising a hard limit needs CAP_SYS_RESOURCE. See setrlimit(2).
type Rlimit struct {
	Resource   string
	Soft, Hard uint64 // ^0 is unlimited
}

// rlimits are the resources by the names of prlimit(1).
var rlimits = []struct {
	name     string
	resource uintptr
}{
	{"as", unix.RLIMIT_AS},
	{"core", unix.RLIMIT_CORE},
	{"cpu", unix.RLIMIT_CPU},
	{"data", unix.RLIMIT_DATA},
	{"fsize", unix.RLIMIT_FSIZE},
	{"locks", unix.RLIMIT_LOCKS},
	{"memlock", unix.RLIMIT_MEMLOCK},
	{"msgqueue", unix.RLIMIT_MSGQUEUE},
	{"nice", unix.RLIMIT_NICE},
	{"nofile", unix.RLIMIT_NOFILE},
	{"nproc", unix.RLIMIT_NPROC},
	{"rss", unix.RLIMIT_RSS},
	{"rtprio", unix.RLIMIT_RTPRIO},
	{"rttime", unix.RLIMIT_RTTIME},
	{"sigpending", unix.RLIMIT_SIGPENDING},
	{"stack", unix.RLIMIT_STACK},
}

// RlimitNumber returns the number of a resource by prlimit(1)'s name for it.
func RlimitNumber(name string) (resource int, ok bool) {
	for _, r := range rlimits {
		if r.name == name {
			return int(r.resource), true
		}
	}
	return 0, false
}

// Shell prints prlimit for the shell itself, from which the command inherits.
func (s Rlimit) Shell() string {
	return fmt.Sprintf("prlimit --pid $$ --%s=%s:%s", s.Resource, limitWord(s.Soft), limitWord(s.Hard))
}

func limitWord(n uint64) string {
	if n == ^uint64(0) {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// Do sets the limit.
func (s Rlimit) Do() error { return do(s) }

// Undo is nil.
func (s Rlimit) Undo() Step { return nil }

func (s Rlimit) compile(p *program) {
	resource, ok := RlimitNumber(s.Resource)
	if !ok {
		p.err = fmt.Errorf("resource limit %q: %w", s.Resource, unix.EINVAL)
		return
	}
	p.add(unix.SYS_PRLIMIT64, 0, uintptr(resource), pointer(p, &[2]uint64{s.Soft, s.Hard}), 0)
}

func (s Rlimit) hint(err error) string {
	if errors.Is(err, unix.EPERM) {
		return "raising a hard limit needs CAP_SYS_RESOURCE"
	}
	return ""
}

// Dup makes the descriptor To a copy of From, which stays open across exec.
// See dup(2).
type Dup struct{ From, To int }

// Shell prints a redirection.
func (s Dup) Shell() string {
	if s.To == 0 {
		return fmt.Sprintf("exec 0<&%d", s.From)
	}
	return fmt.Sprintf("exec %d>&%d", s.To, s.From)
}

// Do copies the descriptor.
func (s Dup) Do() error { return do(s) }

// Undo is nil.
func (s Dup) Undo() Step { return nil }

func (s Dup) compile(p *program) {
	if s.From == s.To {
		p.add(unix.SYS_FCNTL, uintptr(s.To), unix.F_SETFD, 0)
		return
	}
	p.add(unix.SYS_DUP3, uintptr(s.From), uintptr(s.To), 0)
}

// CloseFrom marks every descriptor from First up to be closed by exec, so that
// nothing of the host is inherited. See close_range(2).
type CloseFrom struct{ First int }

// Shell closes the descriptors that sh has words for.
func (s CloseFrom) Shell() string {
	var b strings.Builder
	b.WriteString("exec")
	for fd := s.First; fd <= 9; fd++ {
		fmt.Fprintf(&b, " %d>&-", fd)
	}
	return b.String()
}

// Do marks the descriptors.
func (s CloseFrom) Do() error { return do(s) }

// Undo is nil.
func (s CloseFrom) Undo() Step { return nil }

func (s CloseFrom) compile(p *program) {
	p.add(unix.SYS_CLOSE_RANGE, uintptr(s.First), uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
}

func (s CloseFrom) hint(err error) string {
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return "close_range(2) with CLOSE_RANGE_CLOEXEC requires Linux 5.11 or later"
	}
	return ""
}

// Those with a method wraps are what sh can't do to itself: they are printed as
// a program that changes its own process and executes the rest of the line,
// which an Exec ends. Those with a method setpriv, which returns options, are
// one setpriv(1) where they follow each other: it executes nothing between
// them, which would at once take the capabilities that the bounding set no
// longer has.

// Unshare gives the process new namespaces in place of those that it has, which
// are the clone's otherwise: a cgroup namespace has as its root the groups that
// the process is in by then. See unshare(2), cgroup_namespaces(7).
type Unshare struct{ Flags uintptr }

// Shell prints unshare(1), a prefix of the command.
func (s Unshare) Shell() string { return "unshare" + namespaceOptions(s.Flags) }

// Do unshares.
func (s Unshare) Do() error { return do(s) }

// Undo is nil: the end of the process is the undo.
func (s Unshare) Undo() Step { return nil }
func (s Unshare) wraps()     {}

func (s Unshare) compile(p *program) { p.add(unix.SYS_UNSHARE, s.Flags) }

// Enter puts the process into namespaces of another one, which FD is a
// descriptor of, see pidfd_open(2), and PID the number. With a mount namespace
// the root and the working directory change too. See setns(2) (with a pidfd
// Linux 5.8).
type Enter struct {
	FD, PID int
	Flags   uintptr // CLONE_NEW*, but for CLONE_NEWPID, which a clone enters
}

// Shell prints nsenter(1), a prefix of the command.
func (s Enter) Shell() string {
	line := fmt.Sprintf("nsenter --target %d", s.PID)
	for _, ns := range namespaces {
		if s.Flags&ns.flag != 0 {
			line += " --" + ns.word
		}
	}
	return line
}

// Do enters the namespaces.
func (s Enter) Do() error { return do(s) }

// Undo is nil: the end of the process is the undo.
func (s Enter) Undo() Step { return nil }
func (s Enter) wraps()     {}

func (s Enter) compile(p *program) { p.add(unix.SYS_SETNS, uintptr(s.FD), s.Flags) }

func (s Enter) hint(err error) string {
	if errors.Is(err, unix.EINVAL) {
		return "setns(2) with a descriptor of a process requires Linux 5.8 or later"
	}
	return ""
}

// Setsid makes the process the leader of a new session. See setsid(2).
type Setsid struct {
	// Terminal makes descriptor 0 the session's controlling terminal. See
	// TIOCSCTTY(2const).
	Terminal bool
}

// Shell prints setsid(1), a prefix of the command. It forks where its process
// leads a group already, and has then to wait.
func (s Setsid) Shell() string {
	if s.Terminal {
		return "setsid --ctty --wait"
	}
	return "setsid --wait"
}

// Do makes the session.
func (s Setsid) Do() error { return do(s) }

// Undo is nil.
func (s Setsid) Undo() Step { return nil }
func (s Setsid) wraps()     {}

func (s Setsid) compile(p *program) {
	p.add(unix.SYS_SETSID)
	if s.Terminal {
		p.add(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
}

// User sets the real, effective and saved ids and the supplementary groups, the
// groups first because they need the privilege that the user may lack. See
// credentials(7).
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Shell prints setpriv(1), a prefix of the command.
func (s User) Shell() string { return "setpriv " + s.setpriv() }

func (s User) setpriv() string {
	groups := "--clear-groups"
	if len(s.Groups) > 0 {
		words := make([]string, len(s.Groups))
		for i, g := range s.Groups {
			words[i] = fmt.Sprint(g)
		}
		groups = "--groups " + strings.Join(words, ",")
	}
	return fmt.Sprintf("--reuid %d --regid %d %s", s.UID, s.GID, groups)
}

// Do sets the ids.
func (s User) Do() error { return do(s) }

// Undo is nil.
func (s User) Undo() Step { return nil }
func (s User) wraps()     {}

func (s User) compile(p *program) {
	p.add(unix.SYS_SETGROUPS, uintptr(len(s.Groups)), array0(p, s.Groups))
	p.add(unix.SYS_SETRESGID, uintptr(s.GID), uintptr(s.GID), uintptr(s.GID))
	p.add(unix.SYS_SETRESUID, uintptr(s.UID), uintptr(s.UID), uintptr(s.UID))
}

// Exec replaces the process by a program. Files are tried in order, as
// execvp(3) does with the directories of PATH: one that is not there is
// passed over. When none can be executed the step fails with ENOENT, or, when
// there is one file only, with what execve(2) said of it.
type Exec struct {
	Files []string
	Args  []string
	Env   []string
}

// LookPath returns the files that execvp(3) would try for name: itself when it
// has a slash, else one in each directory of path.
func LookPath(name, path string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var files []string
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		files = append(files, dir+"/"+name)
	}
	return files
}

// Shell prints env -i, which has no environment of its own and looks the name
// up in the PATH that it sets. What env can't do is to give a program another
// name than its file's, to pass on a variable without a name, and to leave a
// script that lacks "#!" alone: it runs it with sh.
func (s Exec) Shell() string {
	words := []string{"env", "-i"}
	command := slices.Clone(s.Args)
	if len(s.Files) == 1 && len(command) > 0 {
		command[0] = s.Files[0]
	}
	if endOptions(s.Env...) != "" || len(command) > 0 && endOptions(command[0]) != "" {
		words = append(words, "--")
	}
	for _, v := range s.Env {
		if strings.Index(v, "=") > 0 {
			words = append(words, Quote(v))
		}
	}
	if len(command) > 0 && strings.Contains(command[0], "=") {
		// For env it would be a variable.
		words = append(words, "nice", "-n", "0", "--")
	}
	for _, a := range command {
		words = append(words, Quote(a))
	}
	return strings.Join(words, " ")
}

// Do executes the program; it returns only with an error.
func (s Exec) Do() error {
	if err := do(s); err != nil {
		return err
	}
	return unix.ENOENT
}

// Undo is nil.
func (s Exec) Undo() Step { return nil }
func (s Exec) wraps()     {}

func (s Exec) compile(p *program) {
	if len(s.Args) == 0 {
		p.err = fmt.Errorf("exec: no command: %w", unix.EINVAL)
		return
	}
	if len(s.Files) == 0 {
		p.err = fmt.Errorf("exec %s: no file: %w", s.Args[0], unix.ENOENT)
		return
	}
	argv, envp := p.cstrings(s.Args), p.cstrings(s.Env)
	for _, file := range s.Files {
		c := p.add(unix.SYS_EXECVE, p.cstring(file), argv, envp)
		if len(s.Files) > 1 {
			c.tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES)
		}
	}
}

func (s Exec) hint(err error) string {
	if errors.Is(err, unix.ENOEXEC) {
		return "the file is not a program for this machine: an image of another platform, or a script without its first line '#!'"
	}
	if errors.Is(err, unix.ENOENT) && len(s.Files) == 1 {
		return "the file, or the interpreter or dynamic loader that it names, is not in the image"
	}
	return ""
}
