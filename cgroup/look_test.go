package cgroup

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// toldBy writes places as one line a file, for comparison.
func toldBy(places []Place) string {
	var b strings.Builder
	for _, p := range places {
		fmt.Fprintf(&b, "v%d %s %s\n", p.Version, strings.Join(p.Controllers, ","), p.Path)
		for _, f := range p.Files {
			value := fmt.Sprint(f.Value)
			if f.Unlimited {
				value = "no limit"
			}
			fmt.Fprintf(&b, "  %s %s %s: %s\n", f.Name, f.What, f.Kind, value)
		}
	}
	return b.String()
}

func TestLookReadsLimitsAndUse(t *testing.T) {
	v2, root2 := fakeV2(t, "cpu cpuset memory pids")
	files(t, filepath.Join(root2, "gocker/x"), map[string]string{
		"cgroup.controllers": "cpu cpuset memory pids\n",
		"memory.max":         "67108864\n", "memory.current": "4096\n", "memory.peak": "8192\n", "memory.low": "0\n",
		"memory.swap.max": "max\n", "memory.swap.current": "0\n",
		"memory.events": "oom 3\noom_kill 2\n",
		"cpu.max":       "50000 100000\n", "cpu.weight": "100\n", "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
		"cpuset.cpus": "\n", "cpuset.cpus.effective": "0-1\n",
		"pids.max": "max\n", "pids.current": "3\n",
	})
	v1, root1 := fakeV1(t, true)
	for _, dir := range []string{"cpuset", "devices", "systemd", "unified"} {
		files(t, filepath.Join(root1, dir, "gocker/x"), map[string]string{"cgroup.controllers": "\n"})
	}
	files(t, filepath.Join(root1, "memory/gocker/x"), map[string]string{
		"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "4096\n",
		"memory.oom_control": "oom_kill_disable 0\noom_kill 1\n",
	})
	files(t, filepath.Join(root1, "cpu,cpuacct/gocker/x"), map[string]string{
		"cpu.cfs_quota_us": "20000\n", "cpu.cfs_period_us": "10000\n", "cpu.shares": "512\n", "cpuacct.usage": "1500000000\n",
	})
	files(t, filepath.Join(root1, "pids/gocker/x"), map[string]string{"pids.max": "20\n", "pids.current": "1\n"})

	for _, c := range []struct {
		name, procCgroup string
		host             *Host
		want             string
	}{
		{"version 2", "0::/gocker/x\n", v2, `v2 cpu,cpuset,memory,pids /gocker/x
  memory.max memory limit: 6.7108864e+07
  memory.current memory use: 4096
  memory.peak memory peak: 8192
  memory.low memory reservation limit: no limit
  memory.swap.max swap limit: no limit
  memory.swap.current swap use: 0
  memory.events OOM kills event: 2
  cpu.max CPU limit: 0.5
  cpu.weight CPU weight limit: 100
  cpu.stat CPU use: 1.5
  cpuset.cpus CPUs allowed limit: no limit
  cpuset.cpus.effective CPUs allowed use: 0
  pids.max processes limit: no limit
  pids.current processes use: 3
`},
		{"hybrid", "5:devices:/gocker/x\n4:memory:/gocker/x\n3:cpu,cpuacct:/gocker/x\n2:pids:/gocker/x\n1:name=systemd:/gocker/x\n7:hugetlb:/\n0::/gocker/x\n", v1, `v1 devices /gocker/x
v1 memory /gocker/x
  memory.limit_in_bytes memory limit: no limit
  memory.usage_in_bytes memory use: 4096
  memory.oom_control OOM kills event: 1
v1 cpu,cpuacct /gocker/x
  cpu.cfs_quota_us CPU limit: 2
  cpu.cfs_period_us CPU period limit: 10000
  cpu.shares CPU weight limit: 512
  cpuacct.usage CPU use: 1.5
v1 pids /gocker/x
  pids.max processes limit: 20
  pids.current processes use: 1
v1  /gocker/x
v2  /gocker/x
`},
	} {
		places, err := c.host.Look(strings.NewReader(c.procCgroup))
		if got := toldBy(places); err != nil || got != c.want {
			t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", c.name, err, got, c.want)
		}
	}
	if _, err := v2.Look(strings.NewReader("0::/gocker/gone\n")); err == nil {
		t.Error("a group that is gone was read")
	}
}

func TestLimitsAreThoseOfThePlan(t *testing.T) {
	quota, period, pids, memory := int64(50000), uint64(100000), int64(20), int64(64<<20)
	r := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &memory},
		CPU:    &specs.LinuxCPU{Quota: &quota, Period: &period, Cpus: "0"},
		Pids:   &specs.LinuxPids{Limit: &pids},
	}
	v2, _ := fakeV2(t, "cpu cpuset memory pids")
	v1, _ := fakeV1(t, true)
	for _, c := range []struct {
		name string
		host *Host
		want string
	}{
		{"version 2", v2, `v2 cpu,cpuset,memory,pids /gocker/x
  memory.max memory limit: 6.7108864e+07
  cpu.max CPU limit: 0.5
  cpuset.cpus CPUs allowed limit: 0
  pids.max processes limit: 20
`},
		{"hybrid", v1, `v1 cpuset /gocker/x
  cpuset.cpus CPUs allowed limit: 0
v1 cpu,cpuacct /gocker/x
  cpu.cfs_quota_us CPU limit: 0.5
  cpu.cfs_period_us CPU period limit: 100000
v1 memory /gocker/x
  memory.limit_in_bytes memory limit: 6.7108864e+07
v1 pids /gocker/x
  pids.max processes limit: 20
`},
	} {
		g, err := c.host.Group("/gocker/x", r)
		if err != nil {
			t.Fatal(err)
		}
		if got := toldBy(g.Limits()); got != c.want {
			t.Errorf("%s:\ngot:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}
