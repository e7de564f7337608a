package container

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// defaultCaps are the capabilities that docker leaves to root in a container.
var defaultCaps = []string{
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
	"SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
}

// maskedPaths are hidden, because they tell about the host or let it be
// changed; readonlyPaths can be read. Both are docker's.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
		"/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// thermalPaths are more to hide, on hardware that has them: how warm the host's
// CPUs are tells what its other users do.
func thermalPaths() []string {
	const each = "/sys/devices/system/cpu/cpu%s/thermal_throttle"
	if _, err := os.Lstat(fmt.Sprintf(each, "0")); err != nil {
		return nil
	}
	paths, err := filepath.Glob(fmt.Sprintf(each, "[0-9]*"))
	if err != nil {
		return nil // the pattern is right
	}
	return paths
}

// defaultMounts are the filesystems that the OCI runtime spec wants on Linux,
// with docker's options.
func defaultMounts(h *HostConfig) []specs.Mount {
	access := "ro"
	if h.Privileged {
		access = "rw"
	}
	proc := specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
	if h.lacks(wallProc) {
		proc = specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"bind", "rprivate"}}
	}
	return []specs.Mount{
		proc,
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", access}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{access, "nosuid", "noexec", "nodev"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
	}
}

// allowedDevices are the devices that a container may use, and the right to
// make nodes of any kind, which without the right to open them is harmless.
func allowedDevices() []specs.LinuxDeviceCgroup {
	rules := []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	allow := func(kind, access string, major, minor *int64) {
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: major, Minor: minor, Access: access})
	}
	n := func(n int64) *int64 { return &n }
	allow("c", "m", nil, nil)
	allow("b", "m", nil, nil)
	for _, d := range defaultDevices {
		allow("c", "rwm", n(int64(d.Major)), n(int64(d.Minor)))
	}
	allow("c", "rwm", n(5), n(1))  // /dev/console
	allow("c", "rwm", n(5), n(2))  // /dev/pts/ptmx
	allow("c", "rwm", n(136), nil) // /dev/pts/*
	return rules
}

// spec turns a record into the OCI spec. Everything that has to be looked up
// on the host or in the image is looked up here, once; u is who the command
// runs as.
func (c *Container) spec(u user) (*Spec, error) {
	conf, host := &c.Config, &c.HostConfig
	caps, err := capabilities(host)
	if err != nil {
		return nil, err
	}
	limits, err := rlimits(host.Ulimits)
	if err != nil {
		return nil, err
	}
	names := caps.Names()
	permitted := names
	if u.uid != 0 {
		// Exec as another user than root has no capabilities but ambient ones.
		permitted = nil
	}
	cwd := conf.WorkingDir
	if cwd == "" {
		cwd = "/"
	}
	umask := uint32(0o022)
	spec := &Spec{
		Version: specs.Version,
		Process: &SpecProcess{
			User:         specs.User{UID: u.uid, GID: u.gid, AdditionalGids: u.groups, Umask: &umask},
			Args:         c.command(),
			Env:          environment(conf, conf.Hostname, u.home),
			Cwd:          path.Clean(cwd),
			Capabilities: &specs.LinuxCapabilities{Bounding: names, Effective: permitted, Permitted: permitted},
			Rlimits:      limits,
			Terminal:     conf.Tty,

			NoNewPrivileges: host.noNewPrivileges(),
		},
		Root:     &specs.Root{Path: "rootfs", Readonly: host.ReadonlyRootfs},
		Hostname: conf.Hostname,
		Mounts:   c.specMounts(),
		Linux: &SpecLinux{
			CgroupsPath:   c.groupPath(),
			Namespaces:    namespaces(host),
			MaskedPaths:   host.MaskedPaths,
			ReadonlyPaths: host.ReadonlyPaths,
			Resources:     resources(host),
			Sysctl:        c.sysctls(),
		},
		Annotations: maps.Clone(host.Annotations),
	}
	if host.OomScoreAdj != 0 {
		spec.Process.OOMScoreAdj = &host.OomScoreAdj
	}
	if len(host.Without) > 0 {
		if spec.Annotations == nil {
			spec.Annotations = map[string]string{}
		}
		spec.Annotations[annotation] = strings.Join(host.Without, ",")
	}
	if host.onHost(specs.UTSNamespace) {
		spec.Hostname = ""
	}
	if host.lacks(wallOverlay) {
		spec.Root.Path = c.Rootfs
	}
	if host.Privileged {
		if spec.Linux.Devices, err = hostDevices(); err != nil {
			return nil, err
		}
	}
	nodes, rules, err := host.askedDevices()
	if err != nil {
		return nil, err
	}
	spec.Linux.Devices = append(spec.Linux.Devices, nodes...)
	if !host.Privileged && !host.lacks(wallDevices) {
		spec.Linux.Resources.Devices = append(spec.Linux.Resources.Devices, rules...)
	}
	return spec, nil
}

func namespaces(h *HostConfig) []specs.LinuxNamespace {
	var ns []specs.LinuxNamespace
	for _, t := range []specs.LinuxNamespaceType{
		specs.MountNamespace, specs.PIDNamespace, specs.UTSNamespace,
		specs.IPCNamespace, specs.CgroupNamespace, specs.NetworkNamespace,
	} {
		if !h.onHost(t) {
			ns = append(ns, specs.LinuxNamespace{Type: t})
		}
	}
	return ns
}

// capabilities applies --privileged, --cap-add and --cap-drop to docker's
// defaults. What the host itself lacks is asked for without an error only by
// ALL and --privileged.
func capabilities(h *HostConfig) (step.CapSet, error) {
	bounding, err := step.BoundingSet()
	if err != nil {
		return 0, err
	}
	return chooseCaps(h, bounding)
}

// chooseCaps is capabilities on a host that has these to give.
func chooseCaps(h *HostConfig, bounding step.CapSet) (step.CapSet, error) {
	if h.Privileged || h.lacks(wallCaps) {
		return bounding, nil
	}
	add, addAll, err := parseCaps(h.CapAdd)
	if err != nil {
		return 0, err
	}
	drop, dropAll, err := parseCaps(h.CapDrop)
	if err != nil {
		return 0, err
	}
	set, _, err := parseCaps(defaultCaps)
	if err != nil {
		return 0, err
	}
	switch {
	case addAll:
		return bounding &^ drop, nil
	case dropAll:
		set = 0
	}
	if missing := add &^ bounding; missing != 0 {
		return 0, fmt.Errorf("--cap-add: this host does not have %s to give", strings.Join(missing.Names(), ", "))
	}
	return (set&^drop | add) & bounding, nil
}

func parseCaps(names []string) (set step.CapSet, all bool, err error) {
	for _, name := range names {
		if strings.EqualFold(name, "ALL") {
			all = true
			continue
		}
		c, err := step.ParseCap(name)
		if err != nil {
			return 0, false, err
		}
		set |= c
	}
	return set, all, nil
}

// rlimits turns docker's ulimits into the spec's. A hard limit above this
// process's own can't be had without CAP_SYS_RESOURCE; [clampUlimits] has seen to it.
func rlimits(ulimits []Ulimit) ([]specs.POSIXRlimit, error) {
	var out []specs.POSIXRlimit
	for _, u := range ulimits {
		if _, ok := step.RlimitNumber(u.Name); !ok {
			return nil, fmt.Errorf("invalid ulimit type: %s", u.Name)
		}
		if u.Hard != -1 && (u.Soft == -1 || u.Soft > u.Hard) {
			return nil, fmt.Errorf("ulimit soft limit must be less than or equal to hard limit: %d > %d", u.Soft, u.Hard)
		}
		out = append(out, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(u.Name),
			Soft: uint64(u.Soft), Hard: uint64(u.Hard), // -1 becomes RLIM_INFINITY
		})
	}
	return out, nil
}

// clampUlimits lowers what this process may not raise, and says so.
func clampUlimits(ulimits []Ulimit) (warnings []string) {
	set, err := step.EffectiveSet()
	if sysResource, _ := step.ParseCap("sys_resource"); err != nil || set&sysResource != 0 {
		return nil
	}
	for i := range ulimits {
		u := &ulimits[i]
		resource, ok := step.RlimitNumber(u.Name)
		if !ok {
			continue
		}
		var have unix.Rlimit
		if err := unix.Getrlimit(resource, &have); err != nil || uint64(u.Hard) <= have.Max {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("ulimit %s: the hard limit stays at %d: raising it needs CAP_SYS_RESOURCE", u.Name, have.Max))
		if uint64(u.Soft) > have.Max {
			u.Soft = int64(have.Max)
		}
		u.Hard = int64(have.Max)
	}
	return warnings
}

// resources turns docker's limits into the spec's.
func resources(h *HostConfig) *specs.LinuxResources {
	r := &specs.LinuxResources{Devices: allowedDevices()}
	if h.Privileged || h.lacks(wallDevices) {
		r.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	}
	if h.lacks(wallLimits) {
		return r
	}
	if h.Memory != 0 || h.MemoryReservation != 0 || h.MemorySwappiness != nil || h.OomKillDisable {
		r.Memory = &specs.LinuxMemory{
			Limit:       nonZero(h.Memory),
			Swap:        nonZero(h.MemorySwap),
			Reservation: nonZero(h.MemoryReservation),
		}
		if h.MemorySwappiness != nil {
			swappiness := uint64(*h.MemorySwappiness)
			r.Memory.Swappiness = &swappiness
		}
		if h.OomKillDisable {
			r.Memory.DisableOOMKiller = &h.OomKillDisable
		}
	}
	if h.CpuShares != 0 || h.NanoCpus != 0 || h.CpuPeriod != 0 || h.CpuQuota != 0 || h.CpusetCpus+h.CpusetMems != "" {
		r.CPU = &specs.LinuxCPU{Cpus: h.CpusetCpus, Mems: h.CpusetMems, Quota: nonZero(h.CpuQuota)}
		if h.CpuPeriod != 0 {
			period := uint64(h.CpuPeriod)
			r.CPU.Period = &period
		}
		if h.CpuShares != 0 {
			shares := uint64(h.CpuShares)
			r.CPU.Shares = &shares
		}
		if h.NanoCpus != 0 {
			period := uint64(100_000) // microseconds
			quota := h.NanoCpus / 10_000
			r.CPU.Period, r.CPU.Quota = &period, &quota
		}
	}
	if h.PidsLimit > 0 {
		r.Pids = &specs.LinuxPids{Limit: &h.PidsLimit}
	}
	return r
}

func nonZero(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// specMounts returns the filesystems of the spec, then what the user asked for
// and the files that gocker writes, parents before children.
func (c *Container) specMounts() []specs.Mount {
	var asked []specs.Mount
	for i, m := range c.Mounts {
		if m.Type == "tmpfs" {
			asked = append(asked, tmpfsMount(m, c.asked(i).Options))
			continue
		}
		source := m.Source
		if m.Device != "" {
			source = m.Device
		}
		asked = append(asked, specs.Mount{Destination: m.Destination, Type: "bind", Source: source, Options: c.bindOptions(i)})
	}
	for target, options := range c.HostConfig.Tmpfs {
		asked = append(asked, tmpfsMount(MountPoint{Destination: path.Clean(target), RW: true}, strings.Split(options, ",")))
	}
	// What the user mounts takes the place of a default there and below, as a
	// whole /dev or /sys of the host does.
	mounts := defaultMounts(&c.HostConfig)
	if shm := c.shmMount(); shm != nil {
		mounts = append(mounts, *shm)
	}
	mounts = slices.DeleteFunc(mounts, func(m specs.Mount) bool {
		return slices.ContainsFunc(asked, func(a specs.Mount) bool {
			return strings.HasPrefix(m.Destination+"/", a.Destination+"/")
		})
	})
	for _, name := range etcNames {
		file := specs.Mount{
			Destination: "/etc/" + name, Type: "bind", Source: filepath.Join(c.etcDir(), name),
			Options: []string{"rbind", "rprivate"},
		}
		if !slices.ContainsFunc(asked, func(a specs.Mount) bool { return a.Destination == file.Destination }) {
			asked = append(asked, file)
		}
	}
	if c.HostConfig.hasInit() {
		asked = append(asked, c.initMount())
	}
	slices.SortStableFunc(asked, func(a, b specs.Mount) int { return strings.Compare(a.Destination, b.Destination) })
	return append(mounts, asked...)
}

// tmpfsMount has docker's options first, which the user's may take back.
func tmpfsMount(m MountPoint, options []string) specs.Mount {
	words := []string{"noexec", "nosuid", "nodev"}
	if !m.RW {
		words = append(words, "ro")
	}
	for _, o := range options {
		if o != "" {
			words = append(words, o)
		}
	}
	return specs.Mount{Destination: m.Destination, Type: "tmpfs", Source: "tmpfs", Options: words}
}

// sysctls returns the kernel parameters in a stable order.
func sysctls(spec *Spec) []string { return slices.Sorted(maps.Keys(spec.Linux.Sysctl)) }
