package cgroup

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestResourcesBecomeThisPlan holds the printed plans in testdata: a file for
// each host and each set of limits, with what differs from no limits.
func TestResourcesBecomeThisPlan(t *testing.T) {
	hosts := []struct {
		name string
		make func(*testing.T) (*Host, string)
	}{
		{"v2", func(t *testing.T) (*Host, string) { return fakeV2(t, "cpuset cpu io memory hugetlb pids rdma misc") }},
		{"hybrid", func(t *testing.T) (*Host, string) { return fakeV1(t, true) }},
		{"v1", func(t *testing.T) (*Host, string) { return fakeV1(t, false) }},
	}
	cases := []struct {
		name      string
		resources *specs.LinuxResources
	}{
		{"no limits", nil},
		{"memory", &specs.LinuxResources{Memory: &specs.LinuxMemory{
			Limit: new(int64(64 << 20)), Reservation: new(int64(32 << 20)), Swap: new(int64(96 << 20)),
		}}},
		{"memory without swap", &specs.LinuxResources{Memory: &specs.LinuxMemory{
			Limit: new(int64(64 << 20)), Swap: new(int64(64 << 20)),
		}}},
		{"unlimited", &specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(-1))},
			CPU:    &specs.LinuxCPU{Quota: new(int64(-1))},
			Pids:   &specs.LinuxPids{Limit: new(int64(-1))},
		}},
		{"cpu", &specs.LinuxResources{CPU: &specs.LinuxCPU{
			Shares: new(uint64(512)), Quota: new(int64(150_000)), Period: new(uint64(100_000)),
		}}},
		{"cpuset", &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0,2-3"}}},
		{"pids", &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(100))}}},
		{"devices", &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
			{Allow: false, Access: "rwm"},
			{Allow: true, Type: "c", Access: "m"},
			{Allow: true, Type: "c", Major: new(int64(1)), Minor: new(int64(3)), Access: "rwm"},
			{Allow: true, Type: "c", Major: new(int64(136)), Access: "rw"},
		}}},
		{"all devices but one", &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
			{Allow: true, Access: "rwm"},
			{Allow: false, Type: "b", Major: new(int64(8)), Minor: new(int64(0)), Access: "w"},
		}}},
	}
	for _, h := range hosts {
		for _, c := range cases {
			t.Run(h.name+"/"+c.name, func(t *testing.T) {
				host, root := h.make(t)
				got := everything(t, host, c.resources)
				if c.resources != nil {
					usual := everything(t, host, nil)
					got = slices.DeleteFunc(got, func(s string) bool { return slices.Contains(usual, s) })
				}
				text := strings.ReplaceAll(strings.Join(got, "\n"), root, "/sys/fs/cgroup")
				golden(t, filepath.Join("testdata", h.name, strings.ReplaceAll(c.name, " ", "-")+".txt"), text)
			})
		}
	}
}

// everything returns the printed groups of steps of all plans of a container.
func everything(t *testing.T, host *Host, r *specs.LinuxResources) []string {
	t.Helper()
	g, err := host.Group("/gocker/0123456789ab", r)
	if err != nil {
		t.Fatal(err)
	}
	plan := append(g.Plan(),
		step.Group{Why: "JOIN.", Steps: g.Join()},
		step.Group{Why: "MOUNTS.", Steps: g.Mounts("/sys/fs/cgroup", true)},
	)
	all := []string{"V2DIR " + g.V2Dir() + "\n"}
	for _, s := range plan {
		all = append(all, printed(t, step.Plan{s}))
	}
	return all
}

func TestLimitThatCanNotBeHadNamesTheControllerAndTheReason(t *testing.T) {
	v2 := func(controllers string) *Host { h, _ := fakeV2(t, controllers); return h }
	v1, root1 := fakeV1(t, false)
	noFile, root := fakeV1(t, false)
	if err := os.Remove(filepath.Join(root, "cpu,cpuacct", "cpu.cfs_quota_us")); err != nil {
		t.Fatal(err)
	}
	noSwap, root := fakeV1(t, false)
	if err := os.Remove(filepath.Join(root, "memory", "memory.memsw.limit_in_bytes")); err != nil {
		t.Fatal(err)
	}
	nested, root := fakeV2(t, "memory")
	files(t, root, map[string]string{"cgroup.type": "domain\n", "cgroup.procs": "1\n"})

	memory := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(1 << 30))}}
	swap := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(1 << 30)), Swap: new(int64(2 << 30))}}
	deny := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
	for _, c := range []struct {
		host      *Host
		resources *specs.LinuxResources
		want      string
	}{
		{v2("cpu pids"), memory, "memory limit: controller memory is not available on this host: not in *cgroup.controllers (enable it with cgroup_enable=memory on the kernel's command line)"},
		{v2("cpu"), &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(9))}}, "pids limit: controller pids is not available on this host: not in *cgroup.controllers (the kernel was built without it, or booted with cgroup_disable=pids)"},
		{v2("memory"), &specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: new(uint64(1))}}, "memory swappiness: cgroup version 2 has no such limit"},
		{v2("memory"), &specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: new(true)}}, "disabling the OOM killer: cgroup version 2 has no such limit"},
		{v1, &specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}, "unified memory.high: cgroup version 1 has no such limit, and controller memory is there on this host"},
		{v1, &specs.LinuxResources{Unified: map[string]string{"cgroup.max.depth": "1"}}, "unified cgroup.max.depth: needs cgroup2, which is not mounted"},
		{v1, &specs.LinuxResources{Unified: map[string]string{"misc.max": "1"}}, "unified misc.max: controller misc is not available on this host: not mounted as version 1 (mkdir " + root1 + "/misc && mount -t cgroup -o misc misc " + root1 + "/misc)"},
		{new(Host), memory, "memory limit: controller memory is not available on this host: no cgroup filesystem is mounted"},
		{new(Host), deny, "device rules: controller devices is not available on this host: no cgroup filesystem is mounted"},
		{noFile, &specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: new(int64(1000))}}, "cpu quota: this kernel's controller cpu has no cpu.cfs_quota_us"},
		{noSwap, swap, "memory+swap limit: the kernel does not account swap"},
		{nested, memory, "memory limit: controller memory can't be handed down from *: processes are in it"},
	} {
		_, err := c.host.Group("/gocker/x", c.resources)
		if err == nil || !matches(err.Error(), c.want) {
			t.Errorf("got error %v\nwant %s", err, c.want)
		}
	}
	if _, err := noSwap.Group("/gocker/x", swap); !errors.Is(err, ErrNoSwapLimit) {
		t.Errorf("no swap limit: got %v", err)
	}
	if _, err := nested.Group("/gocker/x", nil); err != nil {
		t.Errorf("without limits no controller is needed: %v", err)
	}
}

func TestPathOfAGroupIsCleanAndAbsolute(t *testing.T) {
	host, _ := fakeV2(t, "memory")
	for _, path := range []string{"", "/", "gocker/x", "/gocker/../x", "/gocker/x/", "/gocker//x"} {
		if _, err := host.Group(path, nil); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
}

// matches reports whether got has the parts of want, which "*" separates, in
// order.
func matches(got, want string) bool {
	for part := range strings.SplitSeq(want, "*") {
		_, rest, ok := strings.Cut(got, part)
		if !ok {
			return false
		}
		got = rest
	}
	return true
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it anew)\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}
