package container

import (
	"strings"
	"testing"
)

func TestOnlyWhatAnUpdateSaysIsChanged(t *testing.T) {
	have := HostConfig{Memory: 64 << 20, MemorySwap: 128 << 20, CpuShares: 512, CpusetCpus: "0", PidsLimit: 50}
	for _, c := range []struct {
		name string
		to   HostConfig
		fail string
		// what the kernel is told: 0 is nothing
		memory, swap, shares, pids int64
		cpus                       string
	}{
		{name: "nothing"},
		{name: "the same", to: HostConfig{Memory: 64 << 20, CpuShares: 512, CpusetCpus: "0", PidsLimit: 50}},
		{name: "memory", to: HostConfig{Memory: 32 << 20}, memory: 32 << 20, swap: 128 << 20},
		{name: "swap", to: HostConfig{MemorySwap: -1}, memory: 64 << 20, swap: -1},
		{name: "shares", to: HostConfig{CpuShares: 2}, shares: 2},
		{name: "CPUs", to: HostConfig{CpusetCpus: "1"}, cpus: "1"},
		{name: "processes", to: HostConfig{PidsLimit: -1}, pids: -1},
		{name: "memory above the sum", to: HostConfig{Memory: 256 << 20}, fail: "already set memoryswap limit"},
		{name: "sum below memory", to: HostConfig{MemorySwap: 32 << 20}, fail: "Minimum memoryswap limit"},
		{name: "reservation above memory", to: HostConfig{MemoryReservation: 65 << 20}, fail: "memory reservation limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := have
			err := h.takeLimits(c.to)
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("got %v, want %q", err, c.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var memory, swap, shares, pids int64
			var cpus string
			r := newLimits(&have, &h)
			if r.Memory != nil {
				memory, swap = *r.Memory.Limit, *r.Memory.Swap
			}
			if r.CPU != nil {
				cpus = r.CPU.Cpus
				if r.CPU.Shares != nil {
					shares = int64(*r.CPU.Shares)
				}
			}
			if r.Pids != nil {
				pids = *r.Pids.Limit
			}
			if memory != c.memory || swap != c.swap || shares != c.shares || pids != c.pids || cpus != c.cpus {
				t.Errorf("the kernel is told memory %d, memory+swap %d, shares %d, processes %d, CPUs %q", memory, swap, shares, pids, cpus)
			}
		})
	}
}
