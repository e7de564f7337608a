package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// limit is one thing that was asked for, in the words of both versions.
type limit struct {
	what       string // as an error calls it
	controller string // "" for files that every group of version 2 has
	v1, v2     []entry
}

// entry is a write to a file of the group.
type entry struct{ file, data string }

// limits returns what r asks for, in an order that the kernel accepts in a new
// group, where everything is unlimited. What r leaves out, sets to zero or
// declares unlimited needs no write there. Devices are not among them.
func limits(r *specs.LinuxResources) ([]limit, error) {
	if err := unsupported(r); err != nil {
		return nil, err
	}
	var all []limit
	for _, of := range []func(*specs.LinuxResources) ([]limit, error){memoryLimits, cpuLimits, cpusetLimits, pidsLimits, unifiedLimits} {
		some, err := of(r)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// unsupported names the first field that is set and that gocker can't apply.
func unsupported(r *specs.LinuxResources) error {
	memory, cpu := value(r.Memory), value(r.CPU)
	for _, f := range []struct {
		set  bool
		name string
	}{
		{r.BlockIO != nil, "blockIO"},
		{len(r.HugepageLimits) > 0, "hugepageLimits"},
		{r.Network != nil, "network"},
		{len(r.Rdma) > 0, "rdma"},
		//lint:ignore SA1019 a limit is named even where it is deprecated
		{value(memory.Kernel) != 0, "memory.kernel"},
		{value(memory.KernelTCP) != 0, "memory.kernelTCP"},
		{memory.UseHierarchy != nil && !*memory.UseHierarchy, "memory.useHierarchy=false"},
		{value(cpu.RealtimeRuntime) != 0, "cpu.realtimeRuntime"},
		{value(cpu.RealtimePeriod) != 0, "cpu.realtimePeriod"},
	} {
		if f.set {
			return fmt.Errorf("linux.resources.%s: not supported", f.name)
		}
	}
	return nil
}

// value returns what p points to, the zero value for nil.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// memoryLimits follows config-linux.md, "Memory". Its swap is memory and swap
// together, as in version 1; version 2 counts swap alone.
func memoryLimits(r *specs.LinuxResources) ([]limit, error) {
	m := value(r.Memory)
	most, low, both := value(m.Limit), value(m.Reservation), value(m.Swap)
	var all []limit
	add := func(what string, v1, v2 []entry) {
		all = append(all, limit{what: what, controller: "memory", v1: v1, v2: v2})
	}
	if most > 0 {
		add("memory limit", one("memory.limit_in_bytes", most), one("memory.max", most))
	}
	if low > 0 {
		add("memory reservation", one("memory.soft_limit_in_bytes", low), one("memory.low", low))
	}
	if both > 0 {
		switch {
		case most <= 0:
			return nil, errors.New("memory+swap limit: needs a memory limit too")
		case both < most:
			return nil, fmt.Errorf("memory+swap limit: %d bytes is less than the memory limit, %d bytes", both, most)
		}
		// After the memory limit: the kernel refuses a sum below it.
		add(swapLimit, one("memory.memsw.limit_in_bytes", both), one("memory.swap.max", both-most))
	}
	if m.Swappiness != nil {
		if *m.Swappiness > 100 {
			return nil, fmt.Errorf("memory swappiness: %d is not between 0 and 100", *m.Swappiness)
		}
		add("memory swappiness", one("memory.swappiness", *m.Swappiness), nil)
	}
	if value(m.DisableOOMKiller) {
		add("disabling the OOM killer", one("memory.oom_control", 1), nil)
	}
	return all, nil
}

const swapLimit = "memory+swap limit"

// cpuLimits follows config-linux.md, "CPU". Times are in microseconds.
func cpuLimits(r *specs.LinuxResources) ([]limit, error) {
	c := value(r.CPU)
	var all []limit
	add := func(what string, v1, v2 []entry) {
		all = append(all, limit{what: what, controller: "cpu", v1: v1, v2: v2})
	}
	if s := value(c.Shares); s > 0 {
		add("cpu shares", one("cpu.shares", s), one("cpu.weight", weight(s)))
	}
	if quota, period := value(c.Quota), value(c.Period); quota > 0 || period > 0 {
		// The period first: the kernel refuses a quota that the old one
		// makes too small.
		var v1 []entry
		if period > 0 {
			v1 = one("cpu.cfs_period_us", period)
		} else {
			period = 100_000 // the kernel's default
		}
		budget := "max"
		if quota > 0 {
			v1 = append(v1, one("cpu.cfs_quota_us", quota)...)
			budget = strconv.FormatInt(quota, 10)
		}
		add("cpu quota", v1, one("cpu.max", fmt.Sprintf("%s %d", budget, period)))
	}
	if b := value(c.Burst); b > 0 {
		add("cpu burst", one("cpu.cfs_burst_us", b), one("cpu.max.burst", b))
	}
	if i := value(c.Idle); i != 0 {
		add("cpu idle", one("cpu.idle", i), one("cpu.idle", i))
	}
	return all, nil
}

// weight converts the shares of version 1 (2 to 262144, default 1024) to the
// weight of version 2 (1 to 10000, default 100). It is the quadratic in log2 of
// the shares through these three pairs, rounded up, which runc uses since 1.3.2
// (opencontainers/cgroups 0.0.3) and crun since 1.23; the older linear formula
// made 39 of the default. See github.com/kubernetes/kubernetes/issues/131216.
func weight(shares uint64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

func cpusetLimits(r *specs.LinuxResources) ([]limit, error) {
	c := value(r.CPU)
	var all []limit
	for _, s := range []struct{ what, file, list string }{
		{"cpuset cpus", "cpuset.cpus", c.Cpus},
		{"cpuset mems", "cpuset.mems", c.Mems},
	} {
		if s.list == "" {
			continue
		}
		if err := checkList(s.list); err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
		all = append(all, limit{what: s.what, controller: "cpuset", v1: one(s.file, s.list), v2: one(s.file, s.list)})
	}
	return all, nil
}

// checkList checks a list like "0-3,7", the "List format" of cpuset(7).
func checkList(list string) error {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		lo, err := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err != nil || err2 != nil || lo > hi {
			return fmt.Errorf("%q is not a list of numbers and ranges such as 0-3,7", list)
		}
	}
	return nil
}

// pidsLimits takes zero and -1 as unlimited, as docker does.
func pidsLimits(r *specs.LinuxResources) ([]limit, error) {
	n := value(value(r.Pids).Limit)
	if n <= 0 {
		return nil, nil
	}
	return []limit{{what: "pids limit", controller: "pids", v1: one("pids.max", n), v2: one("pids.max", n)}}, nil
}

// unifiedLimits are files of version 2 by name. See config-linux.md, "Unified".
func unifiedLimits(r *specs.LinuxResources) ([]limit, error) {
	var all []limit
	for _, file := range slices.Sorted(maps.Keys(r.Unified)) {
		controller, _, ok := strings.Cut(file, ".")
		if !ok || strings.Contains(file, "/") {
			return nil, fmt.Errorf("unified %q: not the name of a cgroup file", file)
		}
		if controller == "cgroup" {
			controller = ""
		}
		all = append(all, limit{what: "unified " + file, controller: controller, v2: one(file, r.Unified[file])})
	}
	return all, nil
}

// one is a list of a single entry.
func one(file string, data any) []entry { return []entry{{file, fmt.Sprint(data)}} }
