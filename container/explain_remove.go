package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gocker/cgroup"
	"gocker/container/step"
)

// ExplainRemove returns what removing containers, by names or ids, would do. It
// changes nothing. The errors are those of [Store.Remove].
func (s *Store) ExplainRemove(names []string, o RemoveOptions) (*step.Script, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	script := &step.Script{
		Title:  "What 'gocker rm' does, step by step. Run by root, with util-linux and coreutils, the lines have the same effect.",
		Gocker: program,
	}
	var errs []error
	for _, name := range names {
		plan, err := s.removePlan(name, o)
		if o.Force && errors.Is(err, ErrNotFound) {
			continue
		}
		script.Host = append(script.Host, plan...)
		errs = append(errs, err)
	}
	return script, errors.Join(errs...)
}

func (s *Store) removePlan(name string, o RemoveOptions) (step.Plan, error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	var plan step.Plan
	if c.State.Status == Running {
		if plan, err = s.endPlan(c, o.Force); err != nil {
			return nil, err
		}
	}
	if c.State.Status == Running && c.HostConfig.AutoRemove {
		// The monitor removes it, or whoever buries the monitor.
		return append(plan, c.removing(c.ownVolumes())), nil
	}
	plan = append(plan, step.Group{
		Why:   fmt.Sprintf("Lock the container %s, so that nobody starts it or removes it, too.", c.Name),
		Man:   "flock(2)",
		Steps: []step.Step{holdDir{Path: c.dir}},
	})
	var volumes []string
	for _, m := range c.Mounts {
		if !o.Volumes || m.Type != "volume" || !m.Anonymous {
			continue
		}
		used, err := s.usesVolume(m.Name, c.ID)
		if err != nil {
			return nil, err
		}
		if !used {
			volumes = append(volumes, filepath.Dir(m.Source))
		}
	}
	return append(plan, c.removing(volumes)), nil
}

// endPlan ends a container that runs, or has run until its monitor was killed.
func (s *Store) endPlan(c *Container, force bool) (step.Plan, error) {
	alive, err := lock(c.runDir, false)
	dead := err == nil || errors.Is(err, os.ErrNotExist)
	switch {
	case err == nil:
		alive.Close()
	case !dead && !errors.Is(err, errLocked):
		return nil, err
	}
	group, back, err := c.hostInverse()
	if err != nil {
		return nil, err
	}
	if dead {
		return step.Plan{{
			Why:   fmt.Sprintf("The monitor of the container %s was killed. End what it has left, and take back what it has done on the host.", c.Name),
			Man:   "cgroups(7)",
			Steps: append(append([]step.Step{group.KillStep()}, back...), removeAll{c.runDir}),
		}}, nil
	}
	if !force {
		return nil, fmt.Errorf("cannot remove container %q: container is running: stop the container before removing or force remove", c.Name)
	}
	return step.Plan{
		{
			Why:   fmt.Sprintf("The container %s runs. Kill all of it, by its control group.", c.Name),
			Man:   "cgroups(7)",
			Steps: []step.Step{group.KillStep()},
		},
		{
			Why:   "Its monitor records the end, takes back what it has done on the host, and unlocks this directory when it is gone. Wait for that.",
			Man:   "flock(2)",
			Steps: []step.Step{awaitDir{Path: c.runDir}},
		},
		{
			Why:   "What the monitor has taken back by then: its host plan, last step first.",
			Man:   "cgroups(7)",
			Steps: back,
		},
	}, nil
}

// hostInverse is the host plan taken back, computed again from the spec.
func (c *Container) hostInverse() (*cgroup.Group, []step.Step, error) {
	spec, err := c.Spec()
	if err != nil {
		return nil, nil, err
	}
	h, err := lookAtHost()
	if err != nil {
		return nil, nil, err
	}
	group, err := h.cgroups.Group(spec.Linux.CgroupsPath, nil)
	if err != nil {
		return nil, nil, err
	}
	return group, inverse(c.hostPlan(spec, group)), nil
}
