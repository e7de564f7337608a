package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Update gives a container other limits: those of to that are not zero, its
// Memory, MemorySwap, MemoryReservation, NanoCpus, CpuShares, CpusetCpus and
// PidsLimit, and its RestartPolicy. They hold at once for one that runs or is paused, and at each start
// from now on. Warnings are for the user.
//
// The control groups are changed first. When the kernel refuses one of the limits,
// those that were set before it are taken back, and neither config.json nor the
// record is changed. Killed between these two files, update leaves the limits in
// force but not in the record; to repeat it is safe.
func (s *Store) Update(name string, to HostConfig) (warnings []string, err error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	locked, err := s.lockThere(c)
	if err != nil {
		return nil, err
	}
	defer locked.Close()
	if c, err = s.load(c.ID); err != nil {
		return nil, err
	}
	u, err := c.prepareUpdate(to)
	if err == nil {
		err = u.do()
	}
	if err != nil {
		return nil, fmt.Errorf("Cannot update container %s: %w", c.ID, err)
	}
	return u.warnings, nil
}

// ExplainUpdate returns what [Store.Update] would do. It changes nothing.
func (s *Store) ExplainUpdate(name string, to HostConfig) (*step.Script, error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	u, err := c.prepareUpdate(to)
	if err != nil {
		return nil, fmt.Errorf("Cannot update container %s: %w", c.ID, err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	title := "What 'gocker update' does for this container, step by step. Run by root, the lines change the limits of its control groups; what is left out are its record and its config.json, by which the next start sets them again."
	if len(u.plan) == 0 {
		title = "This container doesn't run: 'gocker update' asks nothing of the kernel. It writes the record and config.json, by which the next start sets the limits."
	}
	return &step.Script{Title: title, Gocker: program, Host: u.plan}, nil
}

// limitUpdate is a change of a container's limits that is worked out and not yet done.
type limitUpdate struct {
	c        *Container // as it is going to be
	spec     *Spec      // the same
	plan     step.Plan  // empty when the container doesn't run
	warnings []string
}

// prepareUpdate works an update out and changes nothing.
func (c *Container) prepareUpdate(to HostConfig) (*limitUpdate, error) {
	if c.HostConfig.lacks(wallLimits) {
		return nil, errors.New("it was made without limits")
	}
	next := *c
	h := &next.HostConfig
	if err := h.takeLimits(to); err != nil {
		return nil, err
	}
	u := &limitUpdate{c: &next}
	var err error
	if u.warnings, err = h.completeLimits(); err != nil {
		return nil, err
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	changed, linux := *spec, *spec.Linux
	changed.Linux = &linux
	linux.Resources = resources(h)
	linux.Resources.Devices = spec.Linux.Resources.Devices
	u.spec = &changed
	if c.State.Status != Running {
		return u, nil
	}
	group, err := c.group()
	if err != nil {
		return nil, err
	}
	u.plan, err = group.Change(newLimits(&c.HostConfig, h))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it has just ended
	}
	return u, err
}

// takeLimits puts the limits of to that are not zero in the place of h's.
func (h *HostConfig) takeLimits(to HostConfig) error {
	if to.RestartPolicy.Name != "" {
		if h.AutoRemove {
			return errors.New("Restart policy cannot be updated because AutoRemove is enabled for the container")
		}
		if err := to.RestartPolicy.validate(); err != nil {
			return err
		}
		h.RestartPolicy = to.RestartPolicy
	}
	if to.Memory != 0 && to.MemorySwap == 0 && h.MemorySwap > 0 && to.Memory > h.MemorySwap {
		return errors.New("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
	}
	for _, l := range []struct{ have, to *int64 }{
		{&h.Memory, &to.Memory},
		{&h.MemorySwap, &to.MemorySwap},
		{&h.MemoryReservation, &to.MemoryReservation},
		{&h.NanoCpus, &to.NanoCpus},
		{&h.CpuShares, &to.CpuShares},
		{&h.PidsLimit, &to.PidsLimit},
	} {
		if *l.to != 0 {
			*l.have = *l.to
		}
	}
	if to.CpusetCpus != "" {
		h.CpusetCpus = to.CpusetCpus
	}
	return h.validateLimits()
}

// newLimits are the limits of h that old didn't have.
func newLimits(old, h *HostConfig) *specs.LinuxResources {
	changed := *h
	// What an update can't change.
	changed.MemorySwappiness, changed.OomKillDisable = nil, false
	changed.CpuPeriod, changed.CpuQuota, changed.CpusetMems = 0, 0, ""
	if h.Memory == old.Memory && h.MemorySwap == old.MemorySwap {
		changed.Memory, changed.MemorySwap = 0, 0
	}
	for _, l := range []struct{ have, to *int64 }{
		{&old.MemoryReservation, &changed.MemoryReservation},
		{&old.NanoCpus, &changed.NanoCpus},
		{&old.CpuShares, &changed.CpuShares},
		{&old.PidsLimit, &changed.PidsLimit},
	} {
		if *l.have == *l.to {
			*l.to = 0
		}
	}
	if changed.CpusetCpus == old.CpusetCpus {
		changed.CpusetCpus = ""
	}
	r := resources(&changed)
	r.Devices = nil
	if changed.PidsLimit != 0 {
		r.Pids = &specs.LinuxPids{Limit: &changed.PidsLimit}
	}
	return r
}

// do changes the groups, then what is written down.
func (u *limitUpdate) do() error {
	c := u.c
	err := u.plan.Do()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it has just ended
	}
	if err != nil {
		return err
	}
	durable := !c.HostConfig.AutoRemove
	if err = writeJSON(filepath.Join(c.dir, "config.json"), u.spec, durable); err == nil {
		err = writeJSON(c.recordPath(), &c.Record, durable)
	}
	if err != nil {
		return errors.Join(err, u.plan.Undo())
	}
	return nil
}
