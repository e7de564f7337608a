package container

import (
	"errors"
	"fmt"
	"runtime"

	"gocker/cgroup"
)

const minMemory = 6 << 20 // docker's, "to run /bin/true"

// validateLimits refuses, in docker's words, limits that are wrong by themselves.
func (h *HostConfig) validateLimits() error {
	switch {
	case h.Memory != 0 && h.Memory < minMemory:
		return errors.New("Minimum memory limit allowed is 6MB")
	case h.Memory == 0 && h.MemorySwap > 0:
		return errors.New("You should always set the Memory limit when using Memoryswap limit, see usage")
	case h.Memory > 0 && h.MemorySwap > 0 && h.MemorySwap < h.Memory:
		return errors.New("Minimum memoryswap limit should be larger than memory limit, see usage")
	case h.Memory > 0 && h.MemoryReservation > h.Memory:
		return errors.New("Minimum memory limit can not be less than memory reservation limit, see usage")
	case h.NanoCpus < 0 || h.NanoCpus > int64(runtime.NumCPU())*1e9 || h.NanoCpus > 0 && h.NanoCpus < 1e7:
		return fmt.Errorf("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", runtime.NumCPU(), runtime.NumCPU())
	case h.OomScoreAdj < -1000 || h.OomScoreAdj > 1000:
		return fmt.Errorf("Invalid value %d, range for oom score adj is [-1000, 1000]", h.OomScoreAdj)
	case h.MemorySwappiness != nil && (*h.MemorySwappiness < 0 || *h.MemorySwappiness > 100):
		return fmt.Errorf("invalid value: %d. Valid memory swappiness range is 0-100", *h.MemorySwappiness)
	case h.NanoCpus > 0 && h.CpuPeriod > 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Period cannot both be set")
	case h.NanoCpus > 0 && h.CpuQuota > 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
	case h.CpuPeriod != 0 && (h.CpuPeriod < 1000 || h.CpuPeriod > 1_000_000):
		return errors.New("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case h.CpuQuota > 0 && h.CpuQuota < 1000:
		return errors.New("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	}
	return nil
}

// completeLimits gives a limit of memory docker's default of swap, as much again,
// and takes back what the host's kernel can't keep and docker does without.
func (h *HostConfig) completeLimits() (warnings []string, err error) {
	if h.Memory == 0 && !h.OomKillDisable && h.MemorySwappiness == nil {
		return nil, nil
	}
	host, err := lookAtHost()
	if err != nil {
		return nil, err
	}
	switch cgroups := host.cgroups; {
	case h.Memory != 0 && h.MemorySwap == 0 && cgroups.SwapLimit():
		h.MemorySwap = 2 * h.Memory
	case h.Memory != 0 && h.MemorySwap > 0 && !cgroups.SwapLimit():
		warnings = append(warnings, "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.")
		h.MemorySwap = 0
	}
	return append(warnings, h.forgoLimits(host.cgroups)...), nil
}

// forgoLimits takes back what only version 1 has where the host doesn't have that.
func (h *HostConfig) forgoLimits(cgroups *cgroup.Host) (warnings []string) {
	if h.OomKillDisable && !cgroups.HasV1("memory", "memory.oom_control") {
		warnings = append(warnings, "Your kernel does not support OomKillDisable. OomKillDisable discarded.")
		h.OomKillDisable = false
	}
	if h.OomKillDisable && h.Memory == 0 {
		warnings = append(warnings, "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.")
	}
	if h.MemorySwappiness != nil && !cgroups.HasV1("memory", "memory.swappiness") {
		warnings = append(warnings, "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.")
		h.MemorySwappiness = nil
	}
	return warnings
}
