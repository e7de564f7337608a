package cgroup

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestWeightKeepsMinimumDefaultAndMaximumOfShares(t *testing.T) {
	for shares, want := range map[uint64]uint64{
		0: 1, 1: 1, 2: 1, 1024: 100, 262144: 10000, 1 << 40: 10000,
		// Some in between, by hand.
		100: 17, 256: 35, 512: 59, 2048: 174, 4096: 303,
	} {
		if got := weight(shares); got != want {
			t.Errorf("weight of %d shares: got %d, want %d", shares, got, want)
		}
	}
	for shares := uint64(2); shares < 1<<18; shares++ {
		if weight(shares) > weight(shares+1) {
			t.Fatalf("%d shares weigh more than %d", shares, shares+1)
		}
	}
}

func TestListOfCPUs(t *testing.T) {
	for _, list := range []string{"0", "0-3", "0,2", "0-1,3,7-63", "5-5"} {
		if err := checkList(list); err != nil {
			t.Errorf("%q: %v", list, err)
		}
	}
	for _, list := range []string{" 0", "0 ", "0,", ",0", "3-1", "-1", "0-", "a", "0-3:1", "0;1", "0\n1", "99999999999"} {
		if checkList(list) == nil {
			t.Errorf("%q was accepted", list)
		}
	}
}

func TestResourcesThatGockerCanNotApplyAreNamed(t *testing.T) {
	one := new(int64(1))
	for _, c := range []struct {
		resources specs.LinuxResources
		want      string
	}{
		{specs.LinuxResources{BlockIO: new(specs.LinuxBlockIO)}, "linux.resources.blockIO: not supported"},
		{specs.LinuxResources{HugepageLimits: make([]specs.LinuxHugepageLimit, 1)}, "linux.resources.hugepageLimits: not supported"},
		{specs.LinuxResources{Network: new(specs.LinuxNetwork)}, "linux.resources.network: not supported"},
		{specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx5_1": {}}}, "linux.resources.rdma: not supported"},
		//lint:ignore SA1019 a limit is named even where it is deprecated
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Kernel: one}}, "linux.resources.memory.kernel: not supported"},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{KernelTCP: one}}, "linux.resources.memory.kernelTCP: not supported"},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{UseHierarchy: new(false)}}, "linux.resources.memory.useHierarchy=false: not supported"},
		{specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: one}}, "linux.resources.cpu.realtimeRuntime: not supported"},
		{specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimePeriod: new(uint64(1))}}, "linux.resources.cpu.realtimePeriod: not supported"},

		{specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: one}}, "memory+swap limit: needs a memory limit too"},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(2)), Swap: one}}, "memory+swap limit: 1 bytes is less than the memory limit, 2 bytes"},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: new(uint64(101))}}, "memory swappiness: 101 is not between 0 and 100"},
		{specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0-"}}, `cpuset cpus: "0-" is not a list of numbers and ranges such as 0-3,7`},
		{specs.LinuxResources{CPU: &specs.LinuxCPU{Mems: "x"}}, `cpuset mems: "x" is not a list of numbers and ranges such as 0-3,7`},
		{specs.LinuxResources{Unified: map[string]string{"../memory.max": "1"}}, `unified "../memory.max": not the name of a cgroup file`},
		{specs.LinuxResources{Unified: map[string]string{"tasks": "1"}}, `unified "tasks": not the name of a cgroup file`},
	} {
		if _, err := limits(&c.resources); err == nil || err.Error() != c.want {
			t.Errorf("got error %v\nwant %s", err, c.want)
		}
	}
}
