package container

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// modeHost is the value of --pid, --ipc, --uts and --cgroupns for the host's
// own namespace.
const modeHost = "host"

// onHost reports whether the container is in the host's namespace of a type.
func (h *HostConfig) onHost(t specs.LinuxNamespaceType) bool {
	switch t {
	case specs.MountNamespace:
		return h.lacks(wallMount)
	case specs.PIDNamespace:
		return h.lacks(wallPID) || h.PidMode == modeHost
	case specs.UTSNamespace:
		return h.lacks(wallUTS) || h.UTSMode == modeHost
	case specs.IPCNamespace:
		return h.lacks(wallIPC) || h.IpcMode == modeHost
	case specs.CgroupNamespace:
		return h.lacks(wallCgroup) || h.CgroupnsMode == modeHost
	case specs.NetworkNamespace:
		return h.NetworkMode == "host"
	}
	return true
}

// validateNamespaces refuses modes that there are not, and what can't be had in
// them.
func (o *Options) validateNamespaces() error {
	h := &o.HostConfig
	switch {
	case h.PidMode != "" && h.PidMode != modeHost && donor(h.PidMode) == "":
		return errors.New("--pid: invalid PID mode")
	case !slices.Contains([]string{"", modeHost, ipcNone, ipcPrivate, ipcShareable}, h.IpcMode) && donor(h.IpcMode) == "":
		return fmt.Errorf("invalid IPC mode: %s", h.IpcMode)
	case h.lacks(wallPID) && h.PidMode != "":
		return fmt.Errorf("conflicting options: --pid %s and --without pid, which leaves the container the host's processes", h.PidMode)
	case h.lacks(wallIPC) && h.IpcMode != "":
		return fmt.Errorf("conflicting options: --ipc %s and --without ipc, which leaves the container the host's IPC", h.IpcMode)
	case h.UTSMode != "" && h.UTSMode != modeHost:
		return errors.New("--uts: invalid UTS mode")
	case h.CgroupnsMode != "" && h.CgroupnsMode != modeHost && h.CgroupnsMode != "private":
		return errors.New("--cgroupns: invalid CGROUP mode")
	case donor(h.NetworkMode) != "" && o.Config.Hostname != "":
		return errors.New("conflicting options: hostname and the network mode")
	case donor(h.NetworkMode) != "" && len(h.Dns)+len(h.DnsSearch)+len(h.DnsOptions) > 0:
		return errors.New("conflicting options: dns and the network mode")
	case donor(h.NetworkMode) != "" && len(h.ExtraHosts) > 0:
		return errors.New("conflicting options: custom host-to-IP mapping and the network mode")
	case h.UTSMode == modeHost && o.Config.Hostname != "":
		return errors.New("conflicting options: hostname and the UTS mode")
	case h.onHost(specs.UTSNamespace) && o.Config.Domainname != "":
		return errors.New(`sysctl "kernel.domainname" is not in a separate kernel namespace`)
	case len(o.Config.Domainname) > 64:
		return fmt.Errorf("invalid domainname %q: longer than 64 bytes", o.Config.Domainname)
	}
	for name := range h.Sysctls {
		switch {
		case isNetSysctl(name) && donor(h.NetworkMode) != "":
			return fmt.Errorf("sysctl %q not allowed in the network namespace of another container", name)
		case isNetSysctl(name) && h.onHost(specs.NetworkNamespace):
			return fmt.Errorf("sysctl %q not allowed in host network namespace", name)
		case !isNetSysctl(name) && h.onHost(specs.IPCNamespace):
			return fmt.Errorf("sysctl %q is not allowed in the hosts ipc namespace", name)
		}
	}
	return nil
}

// ipcSysctls are the kernel parameters of an IPC namespace, beside those below
// fs.mqueue. See ipc_namespaces(7).
var ipcSysctls = map[string]bool{
	"kernel.msgmax": true, "kernel.msgmnb": true, "kernel.msgmni": true, "kernel.sem": true,
	"kernel.shmall": true, "kernel.shmmax": true, "kernel.shmmni": true, "kernel.shm_rmid_forced": true,
}

func isNetSysctl(name string) bool { return strings.HasPrefix(name, "net.") }

// ParseSysctl reads the value of --sysctl, NAME=VALUE. There are those that each
// namespace has of its own.
func ParseSysctl(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || !ipcSysctls[name] && !isNetSysctl(name) && !strings.HasPrefix(name, "fs.mqueue.") {
		return "", "", fmt.Errorf("sysctl '%s' is not allowed", s)
	}
	return name, value, nil
}

// sysctls are the kernel parameters that the container has of its own: docker's
// defaults, and what was asked for.
func (c *Container) sysctls() map[string]string {
	all := map[string]string{}
	if !c.HostConfig.onHost(specs.NetworkNamespace) && donor(c.HostConfig.NetworkMode) == "" {
		all["net.ipv4.ping_group_range"] = "0 2147483647"
		all["net.ipv4.ip_unprivileged_port_start"] = "0"
	}
	if c.Config.Domainname != "" {
		all["kernel.domainname"] = c.Config.Domainname
	}
	for name, value := range c.HostConfig.Sysctls {
		all[name] = value
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
