package container

import (
	"fmt"

	"gocker/cgroup"
	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// What is planned otherwise for a container that lacks a wall, see walls.go.
// For most walls that is nothing: a namespace that config.json does not name is
// not made.

// unsafeNote is for whoever reads the printed plan. It has no step.
func unsafeNote(spec *Spec) step.Plan {
	var plan step.Plan
	for _, w := range Walls {
		if spec.lacks(w.Name) {
			plan = append(plan, step.Group{Why: fmt.Sprintf("UNSAFE: without %s the container %s.", w.Name, w.Reach)})
		}
	}
	return plan
}

// findable refuses a container whose processes could not be ended with it: what
// else than a PID namespace holds them together is the control group.
func findable(spec *Spec, group *cgroup.Group) error {
	if spec.has(specs.PIDNamespace) {
		return nil
	}
	if _, err := group.Procs(); err != nil {
		return fmt.Errorf("without a PID namespace of its own the container's processes could not be found again when it ends: %w", err)
	}
	return nil
}

// privateSteps cut the ties of a new mount namespace. In the host's own that
// would change the host.
func privateSteps(spec *Spec) []step.Step {
	if !spec.has(specs.MountNamespace) {
		return nil
	}
	return []step.Step{step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE}}
}

// mountScope gives a container without a mount namespace a place of its own in
// the host's mount table. All that it mounts is below, is not propagated, and
// goes with one lazy unmount.
func (c *Container) mountScope(spec *Spec) step.Plan {
	if spec.has(specs.MountNamespace) {
		return nil
	}
	return step.Plan{{
		Why: "Without a mount namespace the container's mounts are the host's. Keep them below one that is private, so that they get no further, and go with it.",
		Man: "mount_namespaces(7)",
		Steps: []step.Step{
			step.Mount{Source: c.dir, Target: c.dir, Flags: unix.MS_BIND},
			step.Mount{Target: c.dir, Flags: unix.MS_PRIVATE},
		},
	}}
}

// bareRoot makes the plain directory the root, with nothing on it that would
// take what is written.
func (c *Container) bareRoot(spec *Spec) step.Group {
	steps := []step.Step{
		step.Umask{Mask: 0o022},
		step.Mount{Source: spec.Root.Path, Target: c.rootfs(), Flags: unix.MS_BIND},
	}
	if !spec.has(specs.MountNamespace) {
		// A bind shares what is mounted on it with its source, if that does.
		steps = append(steps, step.Mount{Target: c.rootfs(), Flags: unix.MS_PRIVATE})
	}
	return step.Group{
		Why:   "The root is the directory itself: what the container writes is written there.",
		Man:   "mount(2)",
		Steps: append(steps, step.Chdir{Path: c.rootfs()}),
	}
}

// chrootSteps is what there was before pivot_root. The host's root stays where
// it is, above the new one.
func chrootSteps() step.Group {
	return step.Group{
		Why:   "Make it the root of this process, and of no other. The host's root is still there: a process that keeps a way to it, and may call chroot itself, gets out.",
		Man:   "chroot(2)",
		Steps: []step.Step{step.Chroot{Path: "."}},
	}
}
