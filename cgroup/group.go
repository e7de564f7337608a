package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

// Group is the control group of one container: a directory of the same path in
// each hierarchy of the host. It holds no state of the kernel, so a Group that
// is planned again from the same resources can end what another began.
type Group struct {
	host *Host
	path string
	plan step.Plan
}

// Group plans a group with the limits of r, which may be nil. The path is the
// same below the top of each mount, "/gocker/<id>"; all of it but the last name
// may be shared with other groups. Group looks at the host and changes nothing.
//
// The error names what was asked for, the controller and the reason when a
// limit can't be had; it is [ErrNoSwapLimit] when swap is not accounted. A
// field of r that is not known is an error too.
func (h *Host) Group(group string, r *specs.LinuxResources) (*Group, error) {
	if !path.IsAbs(group) || group == "/" || path.Clean(group) != group {
		return nil, fmt.Errorf("control group %q: not a clean absolute path", group)
	}
	if r == nil {
		r = new(specs.LinuxResources)
	}
	wanted, err := limits(r)
	if err != nil {
		return nil, err
	}
	g := &Group{host: h, path: group}
	parents, err := g.parents(wanted)
	if err != nil {
		return nil, err
	}
	g.add(parents...)
	g.add(g.own(wanted))
	if err := g.limits(wanted); err != nil {
		return nil, err
	}
	devices, err := g.devices(r.Devices)
	if err != nil {
		return nil, err
	}
	g.add(devices)
	return g, nil
}

// At returns the group of a path as [Host.Group] does, without planning it: to
// look at it, and to stop or kill what is in it.
func (h *Host) At(group string) *Group { return &Group{host: h, path: group} }

// Plan returns the part of the host plan that makes the group and sets its
// limits. Undone, the directories of the group are removed with all below them,
// not those of its parents. They must be empty of processes: see [Group.Kill].
func (g *Group) Plan() []step.Group { return g.plan }

// Join returns what a new process does to be in the groups of version 1, while
// it still sees the host's mounts. One that writes 0 moves itself, which is a
// hundred times cheaper than being moved: that waits for every CPU. A cgroup
// namespace that it makes after that shows the groups as the root.
func (g *Group) Join() []step.Step {
	var steps []step.Step
	for _, t := range g.host.v1 {
		steps = append(steps, step.Write{Path: filepath.Join(g.dir(&t), "tasks"), Data: "0"})
	}
	return steps
}

// V2Dir returns the directory of version 2 in which the process is born by
// CLONE_INTO_CGROUP, "" where cgroup2 is not mounted. On a hybrid host it has
// no controllers, but still the files that kill, freeze and count. See clone(2).
func (g *Group) V2Dir() string {
	if g.host.v2 == nil {
		return ""
	}
	return g.dir(g.host.v2)
}

func (g *Group) dir(t *hierarchy) string { return filepath.Join(t.dir, g.path) }

// dirs returns the group's directory in each hierarchy, version 2 first.
func (g *Group) dirs() []string {
	var dirs []string
	if g.host.v2 != nil {
		dirs = append(dirs, g.V2Dir())
	}
	for _, t := range g.host.v1 {
		dirs = append(dirs, g.dir(&t))
	}
	return dirs
}

// add appends the groups of steps that are not empty.
func (g *Group) add(groups ...step.Group) {
	for _, s := range groups {
		if len(s.Steps) > 0 {
			g.plan = append(g.plan, s)
		}
	}
}

// above returns the paths of the groups above g, the highest first.
func (g *Group) above() []string {
	var all []string
	for p := path.Dir(g.path); p != "/"; p = path.Dir(p) {
		all = append([]string{p}, all...)
	}
	return all
}

// parents makes the groups above g ready for it.
func (g *Group) parents(wanted []limit) ([]step.Group, error) {
	var v1, v2 []step.Step
	if t := g.host.v2; t != nil {
		enable, err := g.delegate(wanted)
		if err != nil {
			return nil, err
		}
		for _, p := range append([]string{"/"}, g.above()...) {
			dir := filepath.Join(t.dir, p)
			if p != "/" {
				v2 = append(v2, step.Mkdir{Path: dir, Mode: 0o755, Parents: true})
			}
			if control := filepath.Join(dir, "cgroup.subtree_control"); !enabled(control, enable) {
				v2 = append(v2, step.Write{Path: control, Data: enable})
			}
		}
	}
	for _, t := range g.host.v1 {
		for _, p := range g.above() {
			v1 = append(v1, step.Mkdir{Path: filepath.Join(t.dir, p), Mode: 0o755, Parents: true})
			if t.has("cpuset") {
				v1 = append(v1, t.cpuset(p, nil)...)
			}
		}
	}
	return []step.Group{
		{Why: "All containers share a parent group. Controllers are handed down level by level.", Man: "cgroups(7)", Steps: v2},
		{Why: "Version 1 has a tree for each controller. A cpuset without cpus and mems would take no process.", Man: "cpuset(7)", Steps: v1},
	}, nil
}

// enabled reports whether a cgroup.subtree_control has all of "+cpu +memory"
// already. To write it again would stop the whole tree for nothing.
func enabled(control, words string) bool {
	b, _ := os.ReadFile(control)
	have := strings.Fields(string(b))
	for _, w := range strings.Fields(words) {
		if !slices.Contains(have, strings.TrimPrefix(w, "+")) {
			return false
		}
	}
	return true
}

// accounted are the controllers that every group gets where they are to be
// had, so that its use can be read.
var accounted = []string{"cpu", "memory", "pids"}

// delegate returns what to write to cgroup.subtree_control from the top down,
// so that the group has the controllers of wanted. See cgroup-v2.rst, "No
// Internal Process Constraint".
func (g *Group) delegate(wanted []limit) (string, error) {
	t := g.host.v2
	enabled, err := os.ReadFile(filepath.Join(t.dir, "cgroup.subtree_control"))
	if err != nil {
		return "", fmt.Errorf("read the enabled controllers: %w", err)
	}
	// Only the true root may hold processes and hand controllers down. The top
	// of the mount is another group inside a container.
	stuck := false
	if exists(filepath.Join(t.dir, "cgroup.type")) {
		procs, _ := os.ReadFile(filepath.Join(t.dir, "cgroup.procs"))
		stuck = len(procs) > 0
	}
	var words []string
	for _, c := range t.controllers {
		i := slices.IndexFunc(wanted, func(l limit) bool { return l.controller == c })
		switch {
		case i < 0 && !slices.Contains(accounted, c):
			continue
		case !stuck || slices.Contains(strings.Fields(string(enabled)), c):
			words = append(words, "+"+c)
		case i >= 0:
			return "", fmt.Errorf("%s: controller %s can't be handed down from %s: processes are in it (move them to a group below it first)", wanted[i].what, c, t.dir)
		}
	}
	return strings.Join(words, " "), nil
}

// cpuset returns the writes that give group p of a version 1 hierarchy cpus and
// mems, unless it has some: those of the nearest group above that has, but
// nothing for the files in given. See cpuset(7), "cgroup.clone_children".
func (t *hierarchy) cpuset(p string, given []entry) []step.Step {
	var steps []step.Step
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if slices.ContainsFunc(given, func(e entry) bool { return e.file == file }) {
			continue
		}
		list, from := "", ""
		for q := p; list == ""; q = path.Dir(q) {
			b, _ := os.ReadFile(filepath.Join(t.dir, q, file))
			list, from = strings.TrimSpace(string(b)), q
			if q == "/" {
				break
			}
		}
		if from != p {
			steps = append(steps, step.Write{Path: filepath.Join(t.dir, p, file), Data: list})
		}
	}
	return steps
}

// own makes the directories of the group itself.
func (g *Group) own(wanted []limit) step.Group {
	s := step.Group{
		Why: "The container's own group, in each hierarchy: what is in it is counted and limited together, and the container sees it as the root.",
		Man: "cgroup_namespaces(7)",
	}
	for _, dir := range g.dirs() {
		s.Steps = append(s.Steps, directory{Path: dir})
	}
	if t, v2 := g.host.find("cpuset"); t != nil && !v2 {
		var given []entry
		for _, l := range wanted {
			if l.controller == "cpuset" {
				given = append(given, l.v1...)
			}
		}
		s.Steps = append(s.Steps, t.cpuset(g.path, given)...)
	}
	return s
}

// purpose begins the group of steps that sets a controller's limits.
func purpose(controller string, v2 bool) step.Group {
	s := step.Group{Man: "Documentation/admin-guide/cgroup-v2.rst"}
	if !v2 {
		s.Man = "Documentation/admin-guide/cgroup-v1"
	}
	switch controller {
	case "memory":
		s.Why = "Memory over the limit is reclaimed or swapped; when that does not help, a process of the group is killed."
	case "cpu":
		s.Why = "The share of CPU time when others want it too, and the time that all processes together may run in each period, in microseconds."
	case "cpuset":
		s.Why = "The CPUs and memory nodes that may be used."
		s.Man = "cpuset(7)"
	case "pids":
		s.Why = "The number of processes and threads: a fork bomb stops here."
	default:
		s.Why = "Files of the group that were asked for by name."
	}
	return s
}

// limits adds the writes of what is wanted, a group of steps a controller.
func (g *Group) limits(wanted []limit) error {
	var all []step.Group
	last := ""
	for _, l := range wanted {
		t, entries, err := g.place(l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
		var steps []step.Step
		for _, e := range entries {
			steps = append(steps, step.Write{Path: filepath.Join(g.dir(t), e.file), Data: e.data, Forks: e.file == "pids.max"})
		}
		if len(all) == 0 || l.controller != last {
			all = append(all, purpose(l.controller, t == g.host.v2))
			last = l.controller
		}
		s := &all[len(all)-1]
		s.Steps = append(s.Steps, steps...)
	}
	g.plan = append(g.plan, all...)
	return nil
}

// place finds the hierarchy that holds a limit, and what to write there.
func (g *Group) place(l limit) (*hierarchy, []entry, error) {
	if l.controller == "" {
		if g.host.v2 == nil {
			return nil, nil, errors.New("needs cgroup2, which is not mounted")
		}
		return g.host.v2, l.v2, nil
	}
	t, v2 := g.host.find(l.controller)
	if t == nil {
		return nil, nil, g.host.missing(l.controller)
	}
	if l.what == swapLimit && !g.host.SwapLimit() {
		return nil, nil, ErrNoSwapLimit
	}
	if v2 {
		if len(l.v2) == 0 {
			return nil, nil, fmt.Errorf("cgroup version 2 has no such limit, and controller %s is there on this host", l.controller)
		}
		return t, l.v2, nil
	}
	if len(l.v1) == 0 {
		return nil, nil, fmt.Errorf("cgroup version 1 has no such limit, and controller %s is there on this host", l.controller)
	}
	for _, e := range l.v1 {
		// The top group shows which files the kernel makes, but pids.max,
		// which it does not have itself.
		if e.file != "pids.max" && !exists(filepath.Join(t.dir, e.file)) {
			return nil, nil, fmt.Errorf("this kernel's controller %s has no %s", l.controller, e.file)
		}
	}
	return t, l.v1, nil
}
