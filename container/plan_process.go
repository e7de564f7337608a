package container

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// oomSteps set the score while the host's /proc is there: the container's own
// may be covered.
func oomSteps(spec *Spec) []step.Step {
	if spec.Process.OOMScoreAdj == nil {
		return nil
	}
	return []step.Step{step.Write{Path: "/proc/self/oom_score_adj", Data: strconv.Itoa(*spec.Process.OOMScoreAdj)}}
}

// deviceSteps fills /dev, a fresh tmpfs. A directory of the host in its place
// stays as it is.
func (p *plans) deviceSteps(spec *Spec) []step.Step {
	bound := func(m specs.Mount) bool { return m.Destination == "/dev" && m.Type == "bind" }
	if slices.ContainsFunc(spec.Mounts, bound) {
		return nil
	}
	var steps []step.Step
	for _, d := range defaultDevices {
		if slices.ContainsFunc(spec.Linux.Devices, func(asked specs.LinuxDevice) bool { return asked.Path == d.Path }) {
			continue
		}
		steps = append(steps, step.Mknod{Path: d.Path, Type: 'c', Major: d.Major, Minor: d.Minor, Mode: 0o666})
	}
	for _, d := range spec.Linux.Devices {
		if dir := filepath.Dir(d.Path); dir != "/dev" {
			steps = append(steps, step.MkdirAll{Path: dir})
		}
		mode := os.FileMode(0o666)
		if d.FileMode != nil {
			mode = *d.FileMode
		}
		steps = append(steps, step.Mknod{Path: d.Path, Type: d.Type[0], Major: uint32(d.Major), Minor: uint32(d.Minor), Mode: uint32(mode.Perm())})
		if d.UID != nil && d.GID != nil && (*d.UID != 0 || *d.GID != 0) {
			steps = append(steps, step.Chown{Path: d.Path, UID: *d.UID, GID: *d.GID})
		}
	}
	if p.hasTerminal(spec) {
		steps = append(steps,
			step.Touch{Path: "/dev/console"},
			step.Mount{Source: "/dev/pts/0", Target: "/dev/console", Flags: unix.MS_BIND})
	}
	for _, l := range deviceLinks {
		steps = append(steps, step.Symlink{Target: l.target, Path: l.path})
	}
	return steps
}

func (p *plans) loopbackSteps() []step.Step {
	if p.clone.Flags&unix.CLONE_NEWNET == 0 {
		return nil
	}
	return []step.Step{step.LinkUp{Name: "lo"}}
}

func sysctlSteps(spec *Spec) []step.Step {
	var steps []step.Step
	for _, name := range sysctls(spec) {
		steps = append(steps, step.Write{Path: "/proc/sys/" + strings.ReplaceAll(name, ".", "/"), Data: spec.Linux.Sysctl[name]})
	}
	return steps
}

// maskSteps covers paths of /proc and /sys. The host's own show which of them
// this kernel has.
func maskSteps(spec *Spec) []step.Step {
	var steps []step.Step
	for _, path := range spec.Linux.MaskedPaths {
		info, err := os.Lstat(path)
		switch {
		case err != nil:
			continue
		case info.IsDir():
			steps = append(steps, step.Mount{Source: "tmpfs", Target: path, Type: "tmpfs", Flags: unix.MS_RDONLY, Data: "size=0k"})
		default:
			steps = append(steps, step.Mount{Source: "/dev/null", Target: path, Flags: unix.MS_BIND})
		}
	}
	for _, path := range spec.Linux.ReadonlyPaths {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		steps = append(steps,
			step.Mount{Source: path, Target: path, Flags: unix.MS_BIND | unix.MS_REC},
			step.Mount{Target: path, Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC})
	}
	return steps
}

// processSteps sets what the command inherits and does not need power for.
func (p *plans) processSteps(spec *Spec) []step.Step {
	proc := spec.Process
	var steps []step.Step
	if proc.Cwd != "/" {
		steps = append(steps, step.MkdirAll{Path: proc.Cwd})
	}
	if spec.Root.Readonly {
		steps = append(steps, step.Mount{Target: "/", Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY})
	}
	return append(steps, inheritSteps(proc)...)
}

// hasTerminal reports whether the command gets a terminal. In a printed plan it
// does not: sh can't open one in a devpts that it can't reach.
func (p *plans) hasTerminal(spec *Spec) bool { return p.stdio != nil && spec.Process.Terminal }

const whyNoTerminal = " With -t gocker opens a terminal in the container's /dev/pts before that is mounted, as the command's streams and controlling terminal, and binds it on /dev/console. Sh has no word for that: here the command has the script's own streams."

// inheritSteps sets what a command inherits.
func inheritSteps(proc *SpecProcess) []step.Step {
	steps := []step.Step{step.Chdir{Path: proc.Cwd}}
	for _, r := range rlimitsOf(proc) {
		steps = append(steps, r)
	}
	if proc.User.Umask != nil && *proc.User.Umask != 0o022 {
		steps = append(steps, step.Umask{Mask: *proc.User.Umask})
	}
	return append(steps, step.CloseFrom{First: 3})
}

// rlimitsOf returns the limits of the spec. The number of open files is always
// said: the Go runtime raises its own soft limit to the hard one, and a limit
// that is inherited by accident could not be told truthfully.
func rlimitsOf(proc *SpecProcess) []step.Rlimit {
	var limits []step.Rlimit
	nofile := false
	for _, r := range proc.Rlimits {
		name := strings.ToLower(strings.TrimPrefix(r.Type, "RLIMIT_"))
		nofile = nofile || name == "nofile"
		limits = append(limits, step.Rlimit{Resource: name, Soft: r.Soft, Hard: r.Hard})
	}
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err == nil && !nofile {
		limits = append(limits, step.Rlimit{Resource: "nofile", Soft: have.Max, Hard: have.Max})
	}
	return limits
}

// execSteps is the end of the inside plan. The bounding set goes first, which
// needs CAP_SETPCAP; then the user, which needs CAP_SETUID and CAP_SETGID; then
// the capabilities themselves.
func execSteps(spec *Spec, have step.CapSet, terminal bool) []step.Step {
	proc := spec.Process
	steps := []step.Step{step.Setsid{Terminal: terminal}}
	bounding, permitted := capSet(proc.Capabilities.Bounding), capSet(proc.Capabilities.Permitted)
	if have&^bounding != 0 {
		steps = append(steps, step.DropBounding{Drop: have &^ bounding})
	}
	steps = append(steps,
		step.User{UID: proc.User.UID, GID: proc.User.GID, Groups: proc.User.AdditionalGids},
		step.Capset{Permitted: permitted},
	)
	if proc.NoNewPrivileges {
		steps = append(steps, step.NoNewPrivs{})
	}
	path := ""
	for _, v := range proc.Env {
		if rest, ok := strings.CutPrefix(v, "PATH="); ok {
			path = rest
		}
	}
	return append(steps, step.Exec{Files: step.LookPath(proc.Args[0], path), Args: proc.Args, Env: proc.Env})
}

// capSet reads the names of a spec that [step.CapSet.Names] wrote.
func capSet(names []string) step.CapSet {
	var set step.CapSet
	for _, name := range names {
		if c, err := step.ParseCap(name); err == nil {
			set |= c
		}
	}
	return set
}
