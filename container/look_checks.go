package container

import (
	"fmt"
	"path/filepath"
	"strings"

	"gocker/cgroup"
	"gocker/container/step"
)

// checks are the commands that show what a living view shows.
func (v *View) checks() Checks {
	pid := v.Pid
	c := Checks{
		Namespaces: []string{
			fmt.Sprintf("lsns -p %d", pid),
			fmt.Sprintf("readlink /proc/%d/ns/* /proc/self/ns/*", pid),
		},
		Mounts: []string{
			fmt.Sprintf("cat /proc/%d/mountinfo", pid),
			fmt.Sprintf("findmnt -N %d", pid),
		},
		Privileges: []string{
			fmt.Sprintf("grep -E 'Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp' /proc/%d/status", pid),
			fmt.Sprintf("capsh --decode=$(awk '/CapEff/ { print $2 }' /proc/%d/status)", pid),
		},
		Network: []string{
			fmt.Sprintf("nsenter -t %d -n ip addr", pid),
			fmt.Sprintf("nsenter -t %d -n ip route", pid),
		},
	}
	if !v.Network.Shared && len(v.Network.Path) > 0 {
		c.Network = append(c.Network, "ip link", "ip route", "nft list ruleset", "cat /proc/sys/net/ipv4/ip_forward")
	}
	c.Root = v.rootChecks()
	for _, p := range v.Cgroups {
		if names := fileNames(p); len(names) > 0 {
			c.Cgroups = append(c.Cgroups, fmt.Sprintf("cd %s && grep -H . %s", step.Quote(p.Dir), strings.Join(names, " ")))
		}
	}
	c.Cgroups = append(c.Cgroups, fmt.Sprintf("cat /proc/%d/cgroup", pid))
	if dir := v.groupDir(); dir != "" {
		c.Processes = []string{fmt.Sprintf("grep -H NSpid $(sed 's,.*,/proc/&/status,' %s)", step.Quote(filepath.Join(dir, "cgroup.procs")))}
	}
	if len(v.Processes) > 0 {
		c.Processes = append(c.Processes, fmt.Sprintf("ps -o pid,ppid,nlwp,state,uid,args -p %s", v.pids()))
	}
	return c
}

func fileNames(p cgroup.Place) []string {
	var names []string
	for _, f := range p.Files {
		names = append(names, f.Name)
	}
	return names
}

// groupDir is the container's group in the hierarchy that has all processes.
func (v *View) groupDir() string {
	dir := ""
	for _, p := range v.Cgroups {
		if p.Version == 2 || dir == "" {
			dir = p.Dir
		}
	}
	return dir
}

func (v *View) pids() string {
	var pids []string
	for _, p := range v.Processes {
		pids = append(pids, fmt.Sprint(p.Pid))
	}
	return strings.Join(pids, ",")
}

// rootChecks sums up the files of each layer as the sizes do: a layer's regular
// files, and also links of what can be written.
func (v *View) rootChecks() []string {
	checks := []string{fmt.Sprintf("findmnt -N %d -no FSTYPE,OPTIONS /", v.Pid)}
	var stored, others []string
	for _, l := range v.Root.Layers {
		if l.ChainID != "" {
			stored = append(stored, step.Quote(l.Dir))
		} else {
			others = append(others, step.Quote(l.Dir))
		}
	}
	const sum = `for d in %s; do find "$d" -xdev %s -printf '%%i %%s\n' | sort -u | awk '{ n += $2 } END { print n + 0 }'; done`
	if stored != nil {
		checks = append(checks, fmt.Sprintf(sum, strings.Join(stored, " "), "-type f"))
	}
	if others != nil {
		checks = append(checks, fmt.Sprintf(sum, strings.Join(others, " "), "! -type d"))
	}
	return checks
}
