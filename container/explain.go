package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gocker/container/step"
)

// Explain writes what running a container as o says would do, as a commented
// sh script: the host plan, the clone, the inside plan. It changes nothing; the
// id is made up for the occasion.
func (s *Store) Explain(o Options, w io.Writer) error {
	c, spec, _, err := s.prepare(o)
	if err != nil {
		return err
	}
	h, err := lookAtHost()
	if err != nil {
		return err
	}
	p, err := c.plans(spec, h, nil)
	if err != nil {
		return err
	}
	defer p.close()
	return c.print(p, w)
}

// print writes the plans of a container as a script.
func (c *Container) print(p *plans, w io.Writer) error {
	if _, err := fmt.Fprintf(w, `#!/bin/sh
# What 'gocker run' does for this container, step by step. Lines have the same
# effect as gocker's own requests to the kernel; run as root, with util-linux,
# iproute2, nftables and coreutils.
set -eu

`); err != nil {
		return err
	}
	if err := append(c.files(), p.host...).Print(w); err != nil {
		return err
	}
	if dir := p.group.V2Dir(); dir != "" {
		enter := step.Plan{{
			Why:   "Enter the group of version 2, so that what is started next is born in it.",
			Man:   "cgroups(7)",
			Steps: []step.Step{step.Write{Path: filepath.Join(dir, "cgroup.procs"), Data: "0"}},
		}}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		if err := enter.Print(w); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w, "\n# A new process in new namespaces. All that follows is done by it. See\n# clone(2), namespaces(7).\n%s /bin/sh -eu <<'INSIDE'\n\n", p.clone.Shell()); err != nil {
		return err
	}
	if err := p.inside.Print(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "INSIDE\n")
	return err
}

// files is the container's directory as steps, for the printed plan: gocker
// itself makes it in Go, with its records.
func (c *Container) files() step.Plan {
	var steps []step.Step
	for _, d := range []string{"work", "rootfs", "upper"} {
		steps = append(steps, step.MkdirAll{Path: filepath.Join(c.dir, d)})
	}
	files, err := c.etcFiles()
	if err == nil {
		for _, f := range files {
			steps = append(steps, step.Write{Path: filepath.Join(c.dir, f.name), Data: string(f.data)})
		}
	}
	plan := step.Plan{{
		Why:   "The container's own directory: what it will write, and three files that take the place of the image's.",
		Man:   "hosts(5), resolv.conf(5)",
		Steps: steps,
	}}
	var sources []step.Step
	for i, m := range c.Mounts {
		if m.Type != "volume" && !(m.Type == "bind" && c.HostConfig.Mounts[i].CreateSource) {
			continue
		}
		if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) {
			sources = append(sources, step.MkdirAll{Path: m.Source})
		}
	}
	if sources != nil {
		plan = append(plan, step.Group{
			Why:   "Volumes and directories of -v that are missing. (A new volume is also given what the image has in its place.)",
			Man:   "mkdir(1)",
			Steps: sources,
		})
	}
	return plan
}
