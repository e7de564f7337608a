package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gocker/cgroup"
)

// View is a container as it is, or as it would be: what `gocker explain` shows.
// Of a container that runs, everything in it is read from the kernel. Of one
// that doesn't, and of one that is only asked for, it is what is on disk and
// what config.json would tell the kernel; numbers that only a living container
// has are zero.
type View struct {
	ID, Name   string // "" for a container that is only asked for
	Image      string // the reference, or the directory of --rootfs
	Status     string // as [State] has it, "planned" when only asked for
	Living     bool   // the rest is the kernel's answer
	Pid        int    // of the first process, as the host numbers it
	Note       string // what the reader has to know of this view, "" for nothing
	Command    CommandView
	Namespaces []NamespaceView // by type
	Root       RootView
	Cgroups    []cgroup.Place
	Mounts     []MountView // in the order of the mount table
	Privileges PrivilegesView
	Network    NetworkView
	Processes  []ProcessView
	Checks     Checks

	id string // also of a container that is only asked for, see [Compare]
}

// Planned is the Status of a container that is only asked for.
const Planned = "planned"

// Checks are commands that show the same without gocker, a list for each part
// of a view. They run as root on the host with util-linux, iproute2, procps and
// libcap; there are none for what does not live.
type Checks struct {
	Namespaces, Root, Cgroups, Mounts, Privileges, Network, Processes []string
}

// CommandView is what the container runs, in the terms of config.json.
type CommandView struct {
	Args     []string
	Env      []string
	Cwd      string
	Hostname string
	Limits   []string // of resources, "nofile 64:64": soft and hard, see setrlimit(2)
}

// NamespaceView is one namespace of the first process. See namespaces(7).
type NamespaceView struct {
	Type   string // as /proc/<pid>/ns has it
	Inode  uint64 // which names it
	Host   uint64 // the inode of this process's own
	Shared bool   // the container is in the host's
}

// RootView is what the root directory is made of.
type RootView struct {
	Type     string // of its filesystem, "overlay"
	ReadOnly bool
	Layers   []LayerView // bottom to top
	Work     string      // overlayfs's own directory, "" without one
	Options  string      // the filesystem's, as the mount table has them
}

// LayerView is one directory of the root.
type LayerView struct {
	Dir      string
	ChainID  string // "" for what is no layer of an image
	Size     int64  // bytes in its regular files, and links where it can be written
	Writable bool
}

// PrivilegesView is what the first process may do. Capabilities are in the
// spelling of capsh(1), "cap_chown".
type PrivilegesView struct {
	UID, GID    uint32 // effective
	Groups      []uint32
	Effective   []string
	Permitted   []string
	Inheritable []string
	Bounding    []string
	Ambient     []string
	NoNewPrivs  bool
	Seccomp     string // "disabled", "strict" or "filter"
	Filters     int    // of seccomp
}

// ProcessView is one process of the container.
type ProcessView struct {
	Pid     int // as the host numbers it
	OwnPid  int // as the container does
	Parent  int // the host's number
	State   string
	Threads int
	UID     uint32
	Args    []string // its name alone where the kernel tells no arguments
}

// errEnded says that a process ended while it was looked at.
var errEnded = errors.New("the process has ended")

// Look reads what the kernel and the disk tell about a container. One that ends
// meanwhile is shown as what it left, and the view's note says so; one that is
// removed meanwhile is an error that is [ErrNotFound].
func (s *Store) Look(name string) (*View, error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	note := ""
	if c.State.Status == Running {
		v, err := c.lookLiving()
		if !errors.Is(err, errEnded) {
			return v, err
		}
		if c, err = s.Get(c.ID); errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("%w: it ended while it was looked at, and was removed", notFound{name})
		}
		if err != nil {
			return nil, err
		}
		note = "The container ended while it was looked at. This is what is left."
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	v, err := c.foresee(spec)
	if err != nil {
		return nil, err
	}
	v.Note = note
	if note == "" {
		v.Note = "The container does not run. This is what is on disk, and what the kernel would be told if it ran."
	}
	if err := v.foreseeLimits(spec); err != nil {
		v.Note += " It could not run here: " + err.Error() + "."
	}
	return v, nil
}

// Foresee returns the view of a container that is only asked for. It changes
// nothing.
func (s *Store) Foresee(o Options) (*View, error) {
	c, spec, _, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	v, err := c.foresee(spec)
	if err != nil {
		return nil, err
	}
	if err := v.foreseeLimits(spec); err != nil {
		return nil, err
	}
	v.ID, v.Name, v.Status = "", o.Name, Planned
	v.Note = "The container does not exist. This is what the kernel would be told."
	return v, nil
}

// Foreseen returns the view of what config.json says of a container, whether it
// runs or not: two of them can be compared.
func (s *Store) Foreseen(name string) (*View, error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	v, err := c.foresee(spec)
	if err != nil {
		return nil, err
	}
	return v, v.foreseeLimits(spec)
}

// head is what every view of the container has.
func (c *Container) head(spec *Spec) *View {
	v := &View{
		id: c.ID, ID: c.ID, Name: c.Name, Image: c.Image, Status: c.State.Status,
		Command: CommandView{Args: spec.Process.Args, Env: spec.Process.Env, Cwd: spec.Process.Cwd, Hostname: spec.Hostname},
	}
	if c.Rootfs != "" {
		v.Image = c.Rootfs
	}
	for _, l := range rlimitsOf(spec.Process) {
		v.Command.Limits = append(v.Command.Limits, fmt.Sprintf("%s %s:%s", l.Resource, rlimitText(l.Soft), rlimitText(l.Hard)))
	}
	return v
}

func rlimitText(n uint64) string {
	if n == ^uint64(0) {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// lookLiving reads everything of a running container. The error is errEnded when
// its first process ends before the last of it is read.
func (c *Container) lookLiving() (*View, error) {
	p, err := openProc(c.State.Pid, c.State.StartTime)
	if err != nil {
		return nil, err
	}
	defer p.close()
	v, err := c.read(p)
	// Of a process that is ending files are empty, absent or an error, one after
	// the other: whatever was read counts only if it lives still.
	if !p.alive() {
		return nil, errEnded
	}
	return v, err
}

func (c *Container) read(p *proc) (*View, error) {
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	v := c.head(spec)
	v.Living, v.Pid = true, p.pid
	if v.Namespaces, err = p.namespaces(); err != nil {
		return nil, err
	}
	if err := v.readMounts(p, c); err != nil {
		return nil, err
	}
	if err := v.readCgroups(p); err != nil {
		return nil, err
	}
	status, err := p.status()
	if err != nil {
		return nil, err
	}
	v.Privileges = status.privileges()
	if v.Network, err = p.network(c.HostConfig.NetworkMode); err != nil {
		return nil, err
	}
	if v.Processes, err = c.processes(spec); err != nil {
		return nil, err
	}
	v.Checks = v.checks()
	return v, nil
}

func (v *View) readCgroups(p *proc) error {
	h, err := cgroup.Open()
	if err != nil {
		return err
	}
	f, err := p.open("cgroup")
	if err != nil {
		return err
	}
	defer f.Close()
	v.Cgroups, err = h.Look(f)
	return err
}

// processes reads those of the container's control group. What ends meanwhile
// is left out.
func (c *Container) processes(spec *Spec) ([]ProcessView, error) {
	h, err := lookAtHost()
	if err != nil {
		return nil, err
	}
	group, err := h.cgroups.Group(spec.Linux.CgroupsPath, nil)
	if err != nil {
		return nil, err
	}
	pids, err := group.Procs()
	if err != nil {
		pids = []int{c.State.Pid} // there are no groups on this host
	}
	return lookAtProcesses(pids), nil
}

// sizes fills in what the layers of the root hold. A directory that is gone
// holds nothing.
func (r *RootView) sizes(c *Container) error {
	known := map[string]string{}
	for i, dir := range c.lowerStack() {
		if n := len(c.Layers); i < n {
			known[dir] = c.Layers[n-1-i]
		}
	}
	for i := range r.Layers {
		l := &r.Layers[i]
		var err error
		if l.ChainID = known[l.Dir]; l.ChainID != "" {
			l.Size, err = c.layerSize(l.ChainID)
		} else {
			l.Size, err = treeSize(l.Dir)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("size of %s: %w", filepath.Base(l.Dir), err)
		}
	}
	return nil
}
