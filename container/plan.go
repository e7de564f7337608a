package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gocker/cgroup"
	"gocker/container/step"
	"gocker/layers"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// plans is a container as kernel steps.
type plans struct {
	group  *cgroup.Group
	host   step.Plan
	clone  step.Clone
	inside step.Plan
	// stdio is what the command gets as descriptors 0 to 2; nil means the
	// plan is only printed, and nothing is opened.
	stdio    *stdio
	links    map[string]bool // from etcLinks
	endpoint *endpoint
	late     string // a mount source that the host plan makes, "" for none
	trees    []lateTree
}

// close closes what was opened for the plans.
func (p *plans) close() {
	if p.stdio == nil {
		return
	}
	closeAll(p.clone.Files[len(p.stdio.theirs):])
}

// host is what the plans have to know of the machine, looked at once.
type host struct {
	cgroups *cgroup.Host
	ramfs   bool        // "/" is the kernel's first ramfs, which can't be pivoted away
	caps    step.CapSet // that this process can hand on
	joined  []joined    // of the one container whose plans are made
}

// lookAtHost reads the host's mount table and this process's powers.
func lookAtHost() (*host, error) {
	cgroups, err := cgroup.Open()
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return nil, fmt.Errorf("statfs /: %w", err)
	}
	caps, err := step.BoundingSet()
	if err != nil {
		return nil, err
	}
	return &host{cgroups: cgroups, ramfs: fs.Type == unix.RAMFS_MAGIC || fs.Type == unix.TMPFS_MAGIC && isRootfs(), caps: caps}, nil
}

// isRootfs reports whether "/" is the rootfs of an initramfs that the kernel
// keeps on a tmpfs: the mount that has itself as parent.
func isRootfs() bool {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 4 && f[4] == "/" && strings.Contains(line, " - rootfs ") {
			return true
		}
	}
	return false
}

// plans computes what the container's spec means in kernel steps. It changes
// nothing but the descriptors that it opens: bind sources are opened while the
// host's root can be seen, and moved in when it no longer can.
func (c *Container) plans(spec *Spec, h *host, stdio *stdio) (*plans, error) {
	if spec.Process == nil || spec.Linux == nil || spec.Root == nil {
		return nil, errors.New("config.json: no process, root or linux section")
	}
	group, err := h.cgroups.Group(spec.Linux.CgroupsPath, spec.Linux.Resources)
	if err != nil {
		return nil, err
	}
	if err := findable(spec, group); err != nil {
		return nil, err
	}
	p := &plans{group: group, host: c.hostPlan(spec, group), stdio: stdio, endpoint: c.endpoint}
	if c.HostConfig.IpcMode == ipcShareable {
		p.late = c.shm()
	}
	p.links = etcLinks(append(layers.Stack{c.upper()}, c.lowerStack()...))
	p.clone = step.Clone{CgroupPath: group.V2Dir()}
	if stdio != nil {
		p.clone.Files = append(p.clone.Files, stdio.theirs[:]...)
	}
	join := group.Join()
	p.clone.Flags = newNamespaces(spec)
	if p.clone.Flags&unix.CLONE_NEWCGROUP != 0 {
		// Its root are the groups in which the process is when it is made.
		p.clone.Flags &^= unix.CLONE_NEWCGROUP
		join = append(join, step.Unshare{Flags: unix.CLONE_NEWCGROUP})
	}

	share := p.joinSteps(h.joined)
	connect, err := p.connectSteps(c.endpoint)
	if err != nil {
		p.close()
		return nil, err
	}

	root, err := c.rootSteps(spec)
	if err != nil {
		p.close()
		return nil, err
	}
	mounts, err := p.mountSteps(spec, group)
	if err != nil {
		p.close()
		return nil, err
	}
	p.inside = step.Plan{
		{Why: "How soon the kernel kills the process when the machine runs out of memory. What it starts inherits that.", Man: "proc_pid_oom_score_adj(5)", Steps: oomSteps(spec)},
		{Why: "Enter the control groups, and a cgroup namespace in which they are the root.", Man: "cgroups(7), cgroup_namespaces(7)", Steps: join},
		{Why: "Enter the namespaces of other containers.", Man: "setns(2)", Steps: share},
		{Why: "A cable into the bridge: a pair of interfaces, of which eth0 is in the container's new network namespace and the other is a port of the bridge. (What programs do with IPv6 there would lead nowhere.)", Man: "veth(4), ip-link(8), ip-address(8), ip-route(8)", Steps: connect},
		{Why: "The namespace starts with a copy of the host's mounts. Cut the ties, so that nothing mounted from here on shows on the host, or the other way round.", Man: "mount_namespaces(7)", Steps: privateSteps(spec)},
		{Why: "The container's own host name, in its own UTS namespace.", Man: "uts_namespaces(7)", Steps: hostnameSteps(spec)},
		root,
		pivotSteps(spec, h),
		mounts,
		{Why: "Device nodes: the few that every program may expect, nothing of the host's disks.", Man: "mknod(2)", Steps: p.deviceSteps(spec)},
		{Why: "A new network namespace has a loopback interface and no other. Set it up.", Man: "network_namespaces(7)", Steps: p.loopbackSteps()},
		{Why: "Kernel parameters of the container's own namespaces.", Man: "proc(5)", Steps: sysctlSteps(spec)},
		{Why: "Hide what tells about the host, and make read-only what would change it: /proc and /sys are the host's kernel.", Man: "proc(5)", Steps: maskSteps(spec)},
		{Why: "The working directory and what the process inherits.", Man: "umask(2), setrlimit(2)", Steps: p.processSteps(spec)},
		{Why: "Last, give up power, in an order in which each step can still be done; then become the command. (A seccomp filter will go right before the exec.)", Man: "capabilities(7), credentials(7)", Steps: execSteps(spec, h.caps, p.hasTerminal(spec))},
	}
	if spec.Process.Terminal && p.stdio == nil {
		p.inside[len(p.inside)-1].Why += whyNoTerminal
	}
	p.inside = withoutEmpty(p.inside)
	return p, nil
}

// hostPlan is what is done outside the container, and undone after it.
func (c *Container) hostPlan(spec *Spec, group *cgroup.Group) step.Plan {
	return slices.Concat(unsafeNote(spec), group.Plan(), c.mountScope(spec), c.sharedMemory())
}

var cloneFlags = map[specs.LinuxNamespaceType]uintptr{
	specs.MountNamespace:   unix.CLONE_NEWNS,
	specs.PIDNamespace:     unix.CLONE_NEWPID,
	specs.UTSNamespace:     unix.CLONE_NEWUTS,
	specs.IPCNamespace:     unix.CLONE_NEWIPC,
	specs.NetworkNamespace: unix.CLONE_NEWNET,
	specs.CgroupNamespace:  unix.CLONE_NEWCGROUP,
}

// newNamespaces returns the CLONE_NEW* flags of the namespaces that a container
// has of its own.
func newNamespaces(spec *Spec) uintptr {
	var flags uintptr
	for _, ns := range spec.Linux.Namespaces {
		if ns.Path == "" {
			flags |= cloneFlags[ns.Type]
		}
	}
	return flags
}

// namespacesToEnter returns the flags of those, and of other containers', that a
// container is in.
func namespacesToEnter(spec *Spec) uintptr {
	var flags uintptr
	for _, ns := range spec.Linux.Namespaces {
		flags |= cloneFlags[ns.Type]
	}
	return flags
}

func withoutEmpty(p step.Plan) step.Plan {
	var out step.Plan
	for _, g := range p {
		if len(g.Steps) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// upper is the container's writable layer.
func (c *Container) upper() string { return filepath.Join(c.dir, "upper") }

// rootfs is where the root is mounted, in the container's own mount namespace.
func (c *Container) rootfs() string { return filepath.Join(c.dir, "rootfs") }

// Overlay is the mount of the container's root.
func (c *Container) Overlay() layers.Overlay {
	return layers.Overlay{
		Lower:  c.lowerStack(),
		Upper:  c.upper(),
		Work:   filepath.Join(c.dir, "work"),
		Target: c.rootfs(),
		// What --rm is going to delete need not reach the disk first.
		Volatile: c.HostConfig.AutoRemove,
	}
}

func (c *Container) rootSteps(spec *Spec) (step.Group, error) {
	if spec.lacks(wallOverlay) {
		return c.bareRoot(spec), nil
	}
	o := c.Overlay()
	steps := append([]step.Step{step.Umask{Mask: 0o022}}, o.Steps()...)
	return step.Group{
		Why:   "The root: the image's layers, read-only and shared by all containers, under a directory of this container that takes what it writes. The uppermost layer comes first.",
		Man:   "mount(8) and the kernel's overlayfs document",
		Steps: append(steps, step.Chdir{Path: o.Target}),
	}, o.Check()
}

// pivotSteps make the working directory the root and let the host's root go.
func pivotSteps(spec *Spec, h *host) step.Group {
	if spec.lacks(wallPivot) {
		return chrootSteps()
	}
	if h.ramfs {
		return step.Group{
			Why: "Make it the root. The host's root is the kernel's first ramfs, which pivot_root can't replace, so the new root is moved on top of it and entered by chroot.",
			Man: "switch_root(8), chroot(2)",
			Steps: []step.Step{
				step.Mount{Source: ".", Target: "/", Flags: unix.MS_MOVE},
				step.Chroot{Path: "."},
				step.Chdir{Path: "/"},
			},
		}
	}
	return step.Group{
		Why: "Make it the root, with the host's root stacked on it, and let that go: from here on no path leads to the host.",
		Man: "pivot_root(2)",
		Steps: []step.Step{
			step.PivotRoot{New: ".", Old: "."},
			step.Chdir{Path: "/"},
			step.Unmount{Target: ".", Flags: unix.MNT_DETACH},
		},
	}
}

func hostnameSteps(spec *Spec) []step.Step {
	if spec.Hostname == "" {
		return nil
	}
	return []step.Step{step.Sethostname{Name: spec.Hostname}}
}

// mountSteps mounts the spec's filesystems inside the new root. Their places
// are looked up there, after the pivot, so that a link in the image leads
// nowhere but into the image.
func (p *plans) mountSteps(spec *Spec, group *cgroup.Group) (step.Group, error) {
	g := step.Group{
		Why: "The filesystems that programs expect, and the directories and files of the host that were asked for.",
		Man: "mount(2), proc(5), sysfs(5), tmpfs(5), mq_overview(7)",
	}
	for _, m := range spec.Mounts {
		flags, data := step.MountFlags(m.Options)
		switch m.Type {
		case "cgroup":
			g.Steps = append(g.Steps, group.Mounts(m.Destination, flags&unix.MS_RDONLY != 0)...)
		case "bind":
			steps, err := p.bindSteps(m)
			if err != nil {
				return g, err
			}
			if p.links[m.Destination] {
				g.Steps = append(g.Steps, step.Unlink{Path: m.Destination})
			}
			g.Steps = append(g.Steps, steps...)
		default:
			var mount step.Step = step.Mount{Source: m.Source, Target: m.Destination, Type: m.Type, Flags: flags, Data: data}
			if m.Type == "devpts" && p.stdio != nil && p.stdio.pts != nil {
				mount = step.Prepared{FD: len(p.clone.Files), Mount: mount.(step.Mount)}
				p.clone.Files = append(p.clone.Files, p.stdio.pts)
			}
			g.Steps = append(g.Steps, step.MkdirAll{Path: m.Destination}, mount)
		}
	}
	return g, nil
}

// bindPropagation are the words of a bind mount that are not flags.
var bindPropagation = map[string]uintptr{
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
}

func (p *plans) bindSteps(m specs.Mount) ([]step.Step, error) {
	flags, words := step.MountFlags(m.Options)
	recursive := flags&unix.MS_REC != 0
	readOnly := slices.Contains(m.Options, "rro")
	how := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		how |= unix.AT_RECURSIVE
	}
	fd := -1
	late := m.Source == p.late
	switch {
	case late && p.stdio != nil:
		fd = len(p.clone.Files)
		p.clone.Files = append(p.clone.Files, nil)
		p.trees = append(p.trees, lateTree{index: fd, source: m.Source, how: how})
	case p.stdio != nil:
		tree, err := unix.OpenTree(unix.AT_FDCWD, m.Source, how)
		if err != nil {
			return nil, fmt.Errorf("open mount source %s: %w", m.Source, err)
		}
		fd = len(p.clone.Files)
		p.clone.Files = append(p.clone.Files, os.NewFile(uintptr(tree), m.Source))
		if readOnly {
			if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
				return nil, fmt.Errorf("make %s and what is mounted below read-only: %w", m.Source, err)
			}
		}
	}
	source, err := os.Stat(m.Source)
	if err != nil && p.stdio != nil && !late {
		return nil, fmt.Errorf("mount source: %w", err)
	}

	// What a plan that is only printed would make first is missing still:
	// directories, and gocker's own files.
	isDir := !slices.Contains(etcNames, filepath.Base(m.Source)) && m.Destination != initPath
	if source != nil {
		isDir = source.IsDir()
	}
	var steps []step.Step
	if isDir {
		steps = append(steps, step.MkdirAll{Path: m.Destination})
	} else {
		if dir := filepath.Dir(m.Destination); dir != "/" {
			steps = append(steps, step.MkdirAll{Path: dir})
		}
		steps = append(steps, step.Touch{Path: m.Destination})
	}
	steps = append(steps, step.MoveMount{FD: fd, Source: m.Source, Target: m.Destination, Recursive: recursive, ReadOnly: readOnly})
	for word := range strings.SplitSeq(words, ",") {
		if flag, ok := bindPropagation[word]; ok {
			steps = append(steps, step.Mount{Target: m.Destination, Flags: flag})
		}
	}
	if change := flags &^ (unix.MS_BIND | unix.MS_REC); change != 0 {
		// A remount sets all flags anew: those of the source are kept.
		var fs unix.Statfs_t
		if err := unix.Statfs(m.Source, &fs); err != nil && p.stdio != nil {
			return nil, fmt.Errorf("statfs %s: %w", m.Source, err)
		}
		keep := uintptr(fs.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY | unix.MS_NOATIME | unix.MS_NODIRATIME)
		steps = append(steps, step.Mount{Target: m.Destination, Flags: unix.MS_REMOUNT | unix.MS_BIND | change | keep})
	}
	return steps, nil
}

// lateTree is a mount source that is there only when the host plan has been done.
type lateTree struct {
	index  int // in clone.Files
	source string
	how    uint // flags of open_tree(2)
}

// openLate opens what the host plan has mounted.
func (p *plans) openLate() error {
	for _, l := range p.trees {
		tree, err := unix.OpenTree(unix.AT_FDCWD, l.source, l.how)
		if err != nil {
			return fmt.Errorf("open mount source %s: %w", l.source, err)
		}
		p.clone.Files[l.index] = os.NewFile(uintptr(tree), l.source)
	}
	return nil
}
