package main

import (
	"fmt"

	"gocker/container"

	"github.com/spf13/pflag"
)

// isolationFlags are the flags of run and create that say what a container
// shares with the host, and what its processes may do there.
type isolationFlags struct {
	pid, ipc              string
	uts, cgroupns         string
	device, deviceRule    []string
	groupAdd, securityOpt []string
	sysctl                []string
	oomScoreAdj           int
	oomKillDisable        bool
	cpuPeriod, cpuQuota   int64
	cpusetMems            string
	swappiness            int64
}

func (f *isolationFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.pid, "pid", "", "PID namespace to use: host or container:NAME")
	flags.StringVar(&f.ipc, "ipc", "", "IPC mode to use: none, private, shareable, host or container:NAME")
	flags.StringVar(&f.uts, "uts", "", "UTS namespace to use: host")
	flags.StringVar(&f.cgroupns, "cgroupns", "", "Cgroup namespace to use (host|private)")
	flags.StringArrayVar(&f.groupAdd, "group-add", nil, "Add additional groups to join")
	flags.StringArrayVar(&f.device, "device", nil, "Add a host device to the container")
	flags.StringArrayVar(&f.deviceRule, "device-cgroup-rule", nil, "Add a rule to the cgroup allowed devices list")
	flags.StringArrayVar(&f.securityOpt, "security-opt", nil, "Security Options")
	flags.StringArrayVar(&f.sysctl, "sysctl", nil, "Sysctl options")
	flags.IntVar(&f.oomScoreAdj, "oom-score-adj", 0, "Tune host's OOM preferences (-1000 to 1000)")
	flags.BoolVar(&f.oomKillDisable, "oom-kill-disable", false, "Disable OOM Killer")
	flags.Int64Var(&f.cpuPeriod, "cpu-period", 0, "Limit CPU CFS (Completely Fair Scheduler) period")
	flags.Int64Var(&f.cpuQuota, "cpu-quota", 0, "Limit CPU CFS (Completely Fair Scheduler) quota")
	flags.StringVar(&f.cpusetMems, "cpuset-mems", "", "MEMs in which to allow execution (0-3, 0,1)")
	flags.Int64Var(&f.swappiness, "memory-swappiness", -1, "Tune container memory swappiness (0 to 100)")
}

// apply adds what the flags say to a container's configuration.
func (f *isolationFlags) apply(h *container.HostConfig) error {
	h.PidMode, h.IpcMode, h.UTSMode, h.CgroupnsMode = f.pid, f.ipc, f.uts, f.cgroupns
	for _, v := range f.device {
		d, err := container.ParseDevice(v)
		if err != nil {
			return fmt.Errorf("invalid argument %q for \"--device\" flag: %w", v, err)
		}
		h.Devices = append(h.Devices, d)
	}
	for _, v := range f.deviceRule {
		if _, err := container.ParseDeviceRule(v); err != nil {
			return fmt.Errorf("invalid argument %q for \"--device-cgroup-rule\" flag: %w", v, err)
		}
	}
	h.DeviceCgroupRules = f.deviceRule
	h.GroupAdd, h.SecurityOpt = f.groupAdd, f.securityOpt
	h.OomScoreAdj, h.OomKillDisable = f.oomScoreAdj, f.oomKillDisable
	h.CpuPeriod, h.CpuQuota, h.CpusetMems = f.cpuPeriod, f.cpuQuota, f.cpusetMems
	if f.swappiness != -1 {
		h.MemorySwappiness = &f.swappiness
	}
	for _, s := range f.sysctl {
		name, value, err := container.ParseSysctl(s)
		if err != nil {
			return fmt.Errorf("invalid argument %q for \"--sysctl\" flag: %w", s, err)
		}
		if h.Sysctls == nil {
			h.Sysctls = map[string]string{}
		}
		h.Sysctls[name] = value
	}
	return nil
}
