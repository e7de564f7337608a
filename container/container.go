// Package container makes, runs, lists and removes containers.
//
// A container is a process that sees a root directory, process table, host
// name and network of its own, and is held within limits. Its words:
//
//   - the [Record] is what the user asked for, in docker's words, fixed when
//     the container is created but for its limits, see [Store.Update];
//   - the OCI spec (config.json) is what the kernel is to be told: the record
//     and the image's configuration, worked out to paths, numbers and flags;
//   - the [State] is what has become of it: created, running, exited; only its
//     monitor writes that, and that it is paused only the kernel knows;
//   - the plans are the kernel steps that the spec means, see package step;
//   - the monitor is the one process that stays beside a running container: it
//     does the host plan, forks the container's first process with the inside
//     plan, keeps its log, waits for it, and takes the host plan back. While
//     there is a client in the foreground, it is that; after it, its heir;
//   - the door is the monitor's socket, by which other clients are attached to
//     the container's streams;
//   - the endpoint is its place on the bridge for one run, and the lease, a link
//     in the run directory, what says that the address is taken;
//   - the prober is a process beside the monitor of a container with a health
//     check, which executes that.
//
// A container's life, as [Store] offers it:
//
//	c, _, err := store.Create(opts)       // directory, name, spec, record
//	m, err := store.Start(c, streams)     // its monitor, this process
//	exit, err := m.Wait()                 // its exit code
//	err = store.Remove(id, …)             // nothing is left
//
// While it runs, other processes find it by its name: they hold one run of it
// open and wait for the monitor's lock, see [Store.Stop].
//
// Everything is kept in files: <root>/containers/<id> holds config.json,
// record.json, state.json, the log and the writable layer, and is so an OCI
// bundle; <run root>/<id> is locked by the monitor for as long as it lives.
// When a monitor was killed, whichever command comes next sees the lock free
// and reconciles: it kills what is left, undoes the host plan that it computes
// again from the spec, and records the end.
package container

import (
	"path/filepath"
	"time"

	"gocker/cgroup"
)

// Record is what the user asked for when the container was created. It is
// written last of all the container's files, and is what makes the directory a
// container; only an update replaces it. The field names are docker's, as inspect
// shows them.
type Record struct {
	ID         string
	Created    time.Time
	Image      string   // the reference as the user gave it, "" with Rootfs
	ImageID    string   // digest of the image's configuration
	Layers     []string // chain IDs, bottom to top
	Rootfs     string   // a plain directory in the place of an image
	Platform   string   // "linux/amd64"
	Path       string   // the command
	Args       []string // its arguments
	Config     Config
	HostConfig HostConfig
	Mounts     []MountPoint
}

// Config is the part of a container that would be the same on another host.
type Config struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	Env          []string
	Cmd          []string
	Image        string
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	Labels       map[string]string
	StopSignal   string       `json:",omitempty"`
	StopTimeout  *int         `json:",omitempty"` // seconds, negative is for ever
	Healthcheck  *Healthcheck `json:",omitempty"`
}

// HostConfig is the part of a container that depends on the host. Sizes are in
// bytes; zero means no limit unless a field says otherwise.
type HostConfig struct {
	Binds             []string
	VolumesFrom       []string `json:",omitempty"` // CONTAINER[:MODE]
	NetworkMode       string
	RestartPolicy     RestartPolicy
	AutoRemove        bool
	CapAdd            []string
	CapDrop           []string
	Privileged        bool
	ReadonlyRootfs    bool
	ShmSize           int64
	Tmpfs             map[string]string `json:",omitempty"`
	Mounts            []Mount           `json:",omitempty"`
	Memory            int64
	MemorySwap        int64 // memory and swap together, -1 is unlimited
	MemoryReservation int64
	NanoCpus          int64 // billionths of a CPU
	CpuShares         int64
	CpuPeriod         int64 `json:",omitempty"` // microseconds
	CpuQuota          int64 `json:",omitempty"` // microseconds a period
	CpusetCpus        string
	CpusetMems        string `json:",omitempty"`
	PidsLimit         int64
	MemorySwappiness  *int64            `json:",omitempty"` // 0 to 100, nil leaves the host's
	OomKillDisable    bool              `json:",omitempty"`
	Init              *bool             `json:",omitempty"` // a program that reaps is the first process
	OomScoreAdj       int               `json:",omitempty"` // -1000 to 1000
	GroupAdd          []string          `json:",omitempty"` // names or numbers
	Annotations       map[string]string `json:",omitempty"`
	ExtraHosts        []string          `json:",omitempty"` // NAME:IP
	Dns               []string          `json:",omitempty"`
	DnsSearch         []string          `json:",omitempty"`
	DnsOptions        []string          `json:",omitempty"`
	Sysctls           map[string]string `json:",omitempty"`
	SecurityOpt       []string          `json:",omitempty"`
	UTSMode           string            `json:",omitempty"` // "host" or ""
	PidMode           string            `json:",omitempty"` // "host", "container:ID" or ""
	IpcMode           string            `json:",omitempty"` // "none", "private", "shareable", "host" or "container:ID"
	Devices           []DeviceMapping   `json:",omitempty"`
	DeviceCgroupRules []string          `json:",omitempty"` // "c 1:3 rwm", see [ParseDeviceRule]
	CgroupnsMode      string            `json:",omitempty"` // "host", or "private", which "" means too
	Ulimits           []Ulimit
	MaskedPaths       []string
	ReadonlyPaths     []string
	ContainerIDFile   string
	LogConfig         LogConfig
	// Without are the walls that are left out, from [ParseWithout]. It is
	// gocker's own.
	Without []string `json:",omitempty"`
}

// Ulimit is one resource limit by its name in docker, "nofile".
type Ulimit struct {
	Name       string
	Hard, Soft int64 // -1 is unlimited
}

// DeviceMapping is one --device: a node of the host, or a directory of them.
type DeviceMapping struct {
	PathOnHost, PathInContainer string
	CgroupPermissions           string // of "rwm"
}

// Mount is one --mount, -v or --tmpfs.
type Mount struct {
	Type     string // "bind", "volume" or "tmpfs"
	Source   string // host path, or the volume's name, "" for a new one
	Target   string
	ReadOnly bool
	Options  []string // of a tmpfs, in the words of mount(8)
	// CreateSource makes a missing bind source, as -v does and --mount does not.
	CreateSource bool `json:",omitempty"`
	Propagation  string
	// NonRecursive leaves out what is mounted below a bind's source; without it,
	// that is as read-only as the source, but for ReadOnlyNonRecursive.
	NonRecursive         bool `json:",omitempty"`
	ReadOnlyNonRecursive bool `json:",omitempty"`
	// ReadOnlyForceRecursive demands a kernel that can do that.
	ReadOnlyForceRecursive bool `json:",omitempty"`
	// NoCopy leaves a new volume empty, whatever the image has in its place.
	NoCopy bool `json:",omitempty"`
	// Of a volume that is made, see [VolumeOptions].
	Driver        string            `json:",omitempty"`
	DriverOptions map[string]string `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
}

// MountPoint is a mount as inspect shows it.
type MountPoint struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
	// What is gocker's own, and not for inspect.
	Anonymous bool   `json:",omitempty"` // goes with the container
	Borrowed  bool   `json:",omitempty"` // from another container
	Device    string `json:",omitempty"` // what a volume stands for that is a directory of the host
}

// Status words of a container, as docker has them.
const (
	Created = "created"
	Running = "running"
	Paused  = "paused" // as [State.Word] has it: it runs, too
	Exited  = "exited"
	// Restarting is one that has ended and is about to be started again.
	Restarting = "restarting"
)

// State is what has become of a container.
type State struct {
	Status     string
	Pid        int // of the first process, in the host's pid namespace
	ExitCode   int
	OOMKilled  bool
	Error      string
	StartedAt  time.Time
	FinishedAt time.Time
	// StartTime is the first process's, in clock ticks since the boot, and
	// BootID that boot's: with them Pid can't be mistaken for another process.
	StartTime uint64
	BootID    string
	// RestartCount is how often the restart policy has started the container
	// since a user did, or is about to, RestartDelay how long it waited last.
	RestartCount int
	RestartDelay time.Duration
	// Paused is the kernel's to tell, when the container is looked at.
	Paused bool `json:"-"`
	// Health is the prober's to tell, nil without a health check.
	Health *Health `json:"-"`
}

// Up reports whether the container runs, or is going to without anybody's doing.
func (s State) Up() bool { return s.Status == Running || s.Status == Restarting }

// Word is docker's word for the state.
func (s State) Word() string {
	if s.Paused {
		return Paused
	}
	return s.Status
}

// Container is a container as it is on disk.
type Container struct {
	Record
	Name  string // without docker's leading slash
	State State

	dir       string // <root>/containers/<id>
	runDir    string // <run root>/<id>
	layersDir string // <root>/layers
	made      *Spec  // what Create has just written
	endpoint  *endpoint

	cgroups *cgroup.Host // nil until it was looked at
}

// ShortID is the id's first 12 digits, which docker shows.
func (c *Container) ShortID() string { return c.ID[:12] }

// recordPath is the file that makes the directory a container.
func (c *Container) recordPath() string { return filepath.Join(c.dir, "record.json") }

// Bundle is the directory of config.json.
func (c *Container) Bundle() string { return c.dir }
