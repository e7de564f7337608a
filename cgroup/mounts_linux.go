package cgroup

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gocker/container/step"
)

// Mounts returns the steps that show the container its groups on target,
// /sys/fs/cgroup: cgroup2 alone where the host has only that, else a tmpfs with
// every hierarchy of the host under the host's name. The process does them in
// its own mount and cgroup namespaces, so that it sees its own group as the
// root. The target exists; readOnly is for all but privileged containers.
func (g *Group) Mounts(target string, readOnly bool) []step.Step {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	write := flags
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	v2 := func(dir string) step.Step {
		return step.Mount{Source: "cgroup", Target: dir, Type: "cgroup2", Flags: flags}
	}
	switch {
	case len(g.host.v1) == 0 && g.host.v2 == nil:
		return nil
	case len(g.host.v1) == 0:
		return []step.Step{v2(target)}
	}
	steps := []step.Step{step.Mount{Source: "tmpfs", Target: target, Type: "tmpfs", Flags: write, Data: "mode=755"}}
	for _, t := range g.host.v1 {
		name := filepath.Base(t.dir)
		dir := filepath.Join(target, name)
		steps = append(steps,
			step.Mkdir{Path: dir, Mode: 0o755},
			step.Mount{Source: "cgroup", Target: dir, Type: "cgroup", Flags: flags, Data: strings.Join(t.options, ",")},
		)
		for _, c := range t.controllers {
			// cpu and cpuacct lead to cpu,cpuacct. The name of a named
			// hierarchy is not a path that programs look for.
			if c != name && !strings.HasPrefix(c, "name=") && !slices.ContainsFunc(g.host.v1, func(o hierarchy) bool { return filepath.Base(o.dir) == c }) {
				steps = append(steps, step.Symlink{Target: name, Path: filepath.Join(target, c)})
			}
		}
	}
	if g.host.v2 != nil {
		dir := filepath.Join(target, "unified")
		steps = append(steps, step.Mkdir{Path: dir, Mode: 0o755}, v2(dir))
	}
	if readOnly {
		steps = append(steps, step.Mount{Target: target, Flags: unix.MS_REMOUNT | flags, Data: "mode=755"})
	}
	return steps
}
