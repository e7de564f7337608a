package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

// Change plans other limits for a group that is there: those of r, which leaves
// out what stays. A limit of -1 is lifted. Of memory and memory+swap both are
// said, when either changes: version 2 counts swap alone. Undone, the plan writes
// what the files had when it was made. Change itself only looks.
//
// The errors are those of [Host.Group]; of a group that is gone it is
// [fs.ErrNotExist]. What the kernel may refuse: a memory limit below what can't be
// reclaimed (version 1, EBUSY; version 2 kills instead), CPUs that the host lacks.
func (g *Group) Change(r *specs.LinuxResources) (step.Plan, error) {
	for _, dir := range g.dirs() {
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
	}
	wanted, err := limits(r)
	if err != nil {
		return nil, err
	}
	wanted = slices.Concat(liftedSwap(r), wanted, liftedPids(r))
	parents, err := g.parents(wanted)
	if err != nil {
		return nil, err
	}
	planned := &Group{host: g.host, path: g.path}
	for _, p := range parents {
		// The groups are there; a controller may not have been handed down yet.
		var steps []step.Step
		for _, s := range p.Steps {
			if _, is := s.(step.Write); is {
				steps = append(steps, s)
			}
		}
		planned.add(step.Group{Why: p.Why, Man: p.Man, Steps: steps})
	}
	first := len(planned.plan)
	if err := planned.limits(wanted); err != nil {
		return nil, err
	}
	for _, s := range planned.plan[first:] {
		for i, write := range s.Steps {
			if s.Steps[i], err = changeOf(write.(step.Write)); err != nil {
				return nil, err
			}
		}
		sumFirst(s.Steps)
	}
	return planned.plan, nil
}

// liftedSwap and liftedPids are the limits of r that are to be none. In a new
// group they need no write.
func liftedSwap(r *specs.LinuxResources) []limit {
	if value(value(r.Memory).Swap) >= 0 {
		return nil
	}
	return []limit{{what: swapLimit, controller: "memory", v1: one("memory.memsw.limit_in_bytes", -1), v2: one("memory.swap.max", "max")}}
}

func liftedPids(r *specs.LinuxResources) []limit {
	if value(value(r.Pids).Limit) >= 0 {
		return nil
	}
	return []limit{{what: "pids limit", controller: "pids", v1: one("pids.max", "max"), v2: one("pids.max", "max")}}
}

// sumFirst puts the limit of memory+swap before that of memory where that is to
// be more than the sum is now: version 1 keeps the one below the other at any
// time.
func sumFirst(steps []step.Step) {
	memory, sum := -1, -1
	for i, s := range steps {
		switch filepath.Base(s.(change).Path) {
		case "memory.limit_in_bytes":
			memory = i
		case "memory.memsw.limit_in_bytes":
			sum = i
		}
	}
	if memory < 0 || sum < memory {
		return
	}
	most, err := single(strings.NewReader(steps[memory].(change).Data))
	now, err2 := single(strings.NewReader(steps[sum].(change).Before))
	if err == nil && err2 == nil && now != 0 && most > now {
		steps[memory], steps[sum] = steps[sum], steps[memory]
	}
}

// change is a write that can be taken back: to a file of a group that somebody
// lives in.
type change struct {
	Path, Data, Before string
	// Back says that this one takes another back: a group that is gone needs that
	// no more.
	Back bool `json:",omitempty"`
}

// changeOf reads what the file has now. One that is about to be made, because its
// controller is handed down first, has nothing yet.
func changeOf(w step.Write) (change, error) {
	before, err := os.ReadFile(w.Path)
	if ignoreGone(err) != nil {
		return change{}, fmt.Errorf("read a limit: %w", err)
	}
	return change{Path: w.Path, Data: w.Data, Before: strings.TrimSuffix(string(before), "\n")}, nil
}

func (s change) write() step.Write {
	if s.Data == "" {
		// Nothing at all would not be written, and be no request.
		return step.Write{Path: s.Path, Data: "\n"}
	}
	return step.Write{Path: s.Path, Data: s.Data}
}

// Shell prints the write.
func (s change) Shell() string { return s.write().Shell() }

// Do writes the file. Of a group that is gone the error is [fs.ErrNotExist].
func (s change) Do() error {
	err := s.write().Do()
	if err != nil && ignoreGone(err) == nil {
		if s.Back {
			return nil
		}
		return fs.ErrNotExist
	}
	return err
}

// Undo writes what was there.
func (s change) Undo() step.Step {
	return change{Path: s.Path, Data: s.Before, Before: s.Data, Back: true}
}
