package container

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gocker/cgroup"
	"gocker/container/step"
	"gocker/layers"
	"gocker/network"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/nftables"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite the files of testdata/plans")

// Each feature's plan is printed to testdata/plans/NAME.golden: what it changes
// is the difference to default.golden. They are of a host with cgroup v2 unless
// another is said.
func TestAFeatureIsItsPlan(t *testing.T) {
	for _, c := range []struct {
		name string
		v1   bool
		o    Options
	}{
		{name: "default"},
		{name: "default-on-cgroup-v1", v1: true},
		{name: "memory-and-cpu", o: Options{HostConfig: HostConfig{
			Memory: 64 << 20, MemoryReservation: 32 << 20, NanoCpus: 15e8, CpuShares: 512, CpusetCpus: "0", PidsLimit: 100,
		}}},
		{name: "memory-and-cpu-on-cgroup-v1", v1: true, o: Options{HostConfig: HostConfig{
			Memory: 64 << 20, MemoryReservation: 32 << 20, NanoCpus: 15e8, CpuShares: 512, CpusetCpus: "0", PidsLimit: 100,
		}}},
		{name: "read-only", o: Options{HostConfig: HostConfig{ReadonlyRootfs: true, Tmpfs: map[string]string{"/tmp": "size=1m,mode=1777,exec"}}}},
		{name: "binds", o: Options{HostConfig: HostConfig{Mounts: []Mount{
			{Type: "bind", Source: "$TMP/dir", Target: "/mnt/dir"},
			{Type: "bind", Source: "$TMP/dir", Target: "/mnt", ReadOnly: true, Propagation: "rslave"},
			{Type: "bind", Source: "$TMP/file", Target: "/etc/hosts"},
			{Type: "volume", Source: "data", Target: "/data"},
			{Type: "bind", Source: "$TMP/dir/new", Target: "/new", CreateSource: true},
		}}}},
		{name: "dev-of-the-host", o: Options{HostConfig: HostConfig{Mounts: []Mount{{Type: "bind", Source: "/dev", Target: "/dev"}}}}},
		{name: "tmpfs", o: Options{HostConfig: HostConfig{
			Tmpfs:   map[string]string{"/run": ""},
			Mounts:  []Mount{{Type: "tmpfs", Target: "/scratch", Options: []string{"size=1048576", "mode=700"}}},
			ShmSize: 128 << 20,
		}}},
		{name: "user", o: Options{Config: Config{User: "app", WorkingDir: "/srv/app", Env: []string{"GREETING=hello world"}}}},
		{name: "capabilities", o: Options{HostConfig: HostConfig{CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"CHOWN", "MKNOD"}}}},
		{name: "no-capabilities", o: Options{HostConfig: HostConfig{CapDrop: []string{"ALL"}}}},
		{name: "privileged", o: Options{HostConfig: HostConfig{Privileged: true}}},
		{name: "network-host", o: Options{Config: Config{Hostname: "box"}, HostConfig: HostConfig{NetworkMode: "host"}}},
		{name: "network-bridge", o: Options{HostConfig: HostConfig{NetworkMode: "bridge", AutoRemove: true}}},
		{name: "ulimit", o: Options{HostConfig: HostConfig{Ulimits: []Ulimit{{Name: "nofile", Soft: 1024, Hard: 2048}, {Name: "core"}}}}},
		{name: "init", o: Options{HostConfig: HostConfig{Init: new(true)}}},
		{name: "rm", o: Options{HostConfig: HostConfig{AutoRemove: true}}},
		{name: "rootfs", o: Options{Rootfs: "$TMP/root"}},
		{name: "without-namespaces", o: Options{Config: Config{Hostname: "box"}, HostConfig: HostConfig{NetworkMode: "host", Without: []string{"pid", "ipc", "net", "cgroup"}}}},
		{name: "without-mount", o: Options{HostConfig: HostConfig{Without: []string{"mount", "pivot_root"}}}},
		{name: "without-mount-and-overlay", o: Options{Rootfs: "$TMP/root", HostConfig: HostConfig{Without: []string{"mount", "pivot_root", "overlay"}}}},
		{name: "without-overlay", o: Options{Rootfs: "$TMP/root", HostConfig: HostConfig{Without: []string{"overlay"}}}},
		{name: "without-proc", o: Options{HostConfig: HostConfig{Without: []string{"proc"}}}},
		{name: "without-masks-and-caps", o: Options{HostConfig: HostConfig{Without: []string{"masks", "caps"}}}},
		{name: "without-limits-and-devices", v1: true, o: Options{HostConfig: HostConfig{Memory: 64 << 20, PidsLimit: 9, NanoCpus: 1e9, Without: []string{"limits", "devices"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", "plans", c.name+".golden"), printPlan(t, c.o, c.v1))
		})
	}
}

// allCaps are those of Linux 5.9 and later.
const allCaps = step.CapSet(1<<41 - 1)

// printPlan prints the plan of an image of two layers, on a made-up host.
func printPlan(t *testing.T, o Options, onV1 bool) string {
	t.Helper()
	tmp, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store := planStore(t, tmp)
	o.ID = planID
	o.Rootfs = strings.ReplaceAll(o.Rootfs, "$TMP", tmp)
	for i, m := range o.HostConfig.Mounts {
		o.HostConfig.Mounts[i].Source = strings.ReplaceAll(m.Source, "$TMP", tmp)
	}
	if o.Rootfs == "" {
		o.Image = &Image{Name: "image", Config: v1.Config{Cmd: []string{"sh"}}, Layers: planLayers}
	} else {
		o.Config.Cmd = []string{"sh"}
	}
	if o.HostConfig.NetworkMode == "" {
		o.HostConfig.NetworkMode = "none"
	}
	c, spec, _, err := store.prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	forgetHost(t, spec, &o.HostConfig)
	if o.HostConfig.NetworkMode == modeBridge {
		c.endpoint = planEndpoint()
	}
	p, err := c.plans(spec, planHost(t, tmp, onV1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	script, err := c.runScript(p)
	if err != nil {
		t.Fatal(err)
	}
	script.Gocker = "/usr/local/bin/gocker"
	var out bytes.Buffer
	if err := script.Print(&out, step.PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sh", "-n")
	check.Stdin = bytes.NewReader(out.Bytes())
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("sh does not understand it: %s", said)
	}
	return withoutHost(t, out.String(), tmp)
}

// planEndpoint is a place on a bridge that is not there yet, on a host whose
// firewall drops.
func planEndpoint() *endpoint {
	b := network.Bridge{Name: "gocker0", Gateway: netip.MustParsePrefix("172.18.0.1/16")}
	wall := network.Wall{Family: nftables.TableFamilyIPv4, Table: "filter", Chain: "FORWARD"}
	return &endpoint{
		bridge: b, missing: b.Plan(network.Firewall{Walls: []network.Wall{wall}}),
		address: netip.MustParsePrefix("172.18.1.2/16"), mac: network.MAC(planID), cable: "veth01234567abcd",
	}
}

var planID = strings.Repeat("0123456789abcdef", 4)

var planLayers = []string{"sha256:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("b", 64)}

// planOptions are those of a container of the two layers.
func planOptions() Options {
	return Options{
		ID: planID, HostConfig: HostConfig{NetworkMode: "none"},
		Image: &Image{Name: "image", Config: v1.Config{Cmd: []string{"sh"}}, Layers: planLayers},
	}
}

// planStore is a store with the two layers, and what the mounts of the table
// name.
func planStore(t testing.TB, tmp string) *Store {
	t.Helper()
	store := &Store{Root: filepath.Join(tmp, "lib"), RunRoot: filepath.Join(tmp, "run")}
	dirs := []string{"lib/containers", "dir", "root/etc"}
	for _, id := range planLayers {
		dirs = append(dirs, "lib/layers/"+filepath.Base((&layers.Store{}).Path(id))+"/etc")
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(tmp, d), 0o755); err != nil {
			t.Fatal(err)
		}
		passwd := "root:x:0:0::/root:\napp:x:1234:1235::/home/app:\n"
		if filepath.Base(d) == "etc" {
			if err := os.WriteFile(filepath.Join(tmp, d, "passwd"), []byte(passwd), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(tmp, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return store
}

// forgetHost puts fixed values in the place of those that were read from this
// host: its capabilities, whether it can limit swap, and its devices.
func forgetHost(t *testing.T, spec *Spec, h *HostConfig) {
	t.Helper()
	set, err := chooseCaps(h, allCaps)
	if err != nil {
		t.Fatal(err)
	}
	caps := spec.Process.Capabilities
	caps.Bounding = set.Names()
	if caps.Permitted != nil {
		caps.Permitted, caps.Effective = caps.Bounding, caps.Bounding
	}
	if m := spec.Linux.Resources.Memory; m != nil && m.Limit != nil {
		swap := 2 * *m.Limit
		m.Swap = &swap
	}
	if spec.Linux.Devices != nil {
		mode, root, disk := os.FileMode(0o660), uint32(0), uint32(6)
		spec.Linux.Devices = []specs.LinuxDevice{
			{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200},
			{Path: "/dev/vda", Type: "b", Major: 253, Minor: 0, FileMode: &mode, UID: &root, GID: &disk},
		}
	}
}

// planHost is a host with all controllers, those of version 1 each mounted by
// itself.
func planHost(t testing.TB, tmp string, onV1 bool) *host {
	t.Helper()
	dir := filepath.Join(tmp, "cgroup")
	mountinfo, self := "30 23 0:27 / "+dir+" rw - cgroup2 cgroup2 rw\n", "0::/\n"
	if onV1 {
		mountinfo, self = "", ""
		for _, name := range []string{"cpuset", "cpu", "memory", "devices", "pids"} {
			mountinfo += "30 23 0:27 / " + filepath.Join(dir, name) + " rw - cgroup cgroup rw," + name + "\n"
			self += "1:" + name + ":/\n"
		}
	}
	for name, text := range map[string]string{
		"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": "\n",
		"cpuset/cpuset.cpus": "0-3\n", "cpuset/cpuset.mems": "0\n",
		"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.soft_limit_in_bytes": "9223372036854771712\n",
		"memory/memory.memsw.limit_in_bytes": "9223372036854771712\n",
		"cpu/cpu.shares":                     "1024\n", "cpu/cpu.cfs_period_us": "100000\n", "cpu/cpu.cfs_quota_us": "-1\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	groups, err := cgroup.Probe(strings.NewReader(mountinfo), strings.NewReader(self))
	if err != nil {
		t.Fatal(err)
	}
	return &host{cgroups: groups, caps: allCaps}
}

// hostLines are the parts of a plan that tell of the host on which the test
// runs: its paths in /proc and /sys, its resolvers, its own limit of open files
// and the options of the filesystem that temporary files are on.
var hostLines = []struct{ match, with string }{
	{`(?m)^mount .* (/proc/|/sys/devices/|/sys/firmware).*\n`, ""},
	{`printf %s '[^']*' > (\S+/resolv.conf)`, `printf %s RESOLVERS > $1`},
	{`(remount,bind,ro)(,nosuid|,nodev|,noexec|,noatime|,nodiratime)+( none /mnt)`, `$1$3`},
}

func withoutHost(t *testing.T, plan, tmp string) string {
	t.Helper()
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		filepath.Join(tmp, "lib"): "/var/lib/gocker", filepath.Join(tmp, "run"): "/run/gocker",
		filepath.Join(tmp, "cgroup"): "/sys/fs/cgroup", filepath.Join(tmp, "dir"): "/srv/dir",
		filepath.Join(tmp, "file"): "/srv/file", filepath.Join(tmp, "root"): "/srv/root",
		planID: "ID", fmt.Sprintf("--nofile=%d:%[1]d", files.Max): "--nofile=HOST",
	} {
		plan = strings.ReplaceAll(plan, from, to)
	}
	for _, l := range hostLines {
		plan = regexp.MustCompile(l.match).ReplaceAllString(plan, l.with)
	}
	return plan
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite it with -update):\n%s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	return "got  " + strings.Join(g[i:min(i+3, len(g))], "\n     ") + "\nwant " + strings.Join(w[i:min(i+3, len(w))], "\n     ")
}

func TestOnlyWhatThisKernelHasIsMasked(t *testing.T) {
	spec := &Spec{Linux: &SpecLinux{
		MaskedPaths:   append([]string{"/proc/no-such-file", "/proc/self/net"}, maskedPaths...),
		ReadonlyPaths: append([]string{"/proc/no-such-dir"}, readonlyPaths...),
	}}
	masked := map[string]bool{}
	for _, s := range maskSteps(spec) {
		m, ok := s.(step.Mount)
		if !ok {
			t.Fatalf("%s: want only mounts", s.Shell())
		}
		if err := unix.Access(m.Target, unix.F_OK); err != nil {
			t.Errorf("%s: %v", s.Shell(), err)
		}
		masked[m.Target] = true
	}
	for _, path := range append(maskedPaths, readonlyPaths...) {
		if _, err := os.Lstat(path); err == nil && !masked[path] {
			t.Errorf("%s is left open", path)
		}
	}
}
