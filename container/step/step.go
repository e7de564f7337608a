// Package step holds requests to the kernel as values.
//
// A [Step] is one request: mount this there, make that directory, drop these
// capabilities, execute that program. A [Plan] is a list of steps in groups;
// each group says why it is there. The same value is used three ways, so that
// the three can't drift apart:
//
//   - [Plan.Print] prints it as lines of sh that have the same effect;
//   - [Plan.Do] does it in this process, and [Plan.Undo] takes it back;
//   - [Plan.Fork] does it in a newly cloned process, between clone and exec,
//     as an array of raw system calls in a program of its own, the keeper.
//
// A container is made of two plans. The host plan (cgroup directories, limits,
// links, rules) is done by the monitor and undone when the container ends. The
// inside plan (mounts, pivot_root, hostname, capabilities, exec) runs in the
// container's first process; the end of its namespaces is its undo.
//
// A step has no result that another step needs: names, numbers and open
// descriptors are chosen before the plan is made. Nothing serialises a plan;
// another process computes it again from what is stored.
package step

import (
	"errors"
	"fmt"
)

// Step is one request to the kernel, held as a value.
type Step interface {
	// Shell is the one line of sh that has the same effect when root runs it
	// with util-linux, iproute2, nftables and coreutils. Values are quoted.
	Shell() string
	// Do makes the request now, in the calling thread.
	Do() error
	// Undo is the step that takes this one back, nil where there is nothing to
	// take back. Doing it is safe after the step, before it and twice: what is
	// already gone counts as success.
	Undo() Step
}

// Group is a run of steps with one purpose.
type Group struct {
	Why   string // a sentence for a reader who is new to containers
	Man   string // where the kernel's side is told, "pivot_root(2)"
	Steps []Step
}

// Plan is an ordered list of steps. The zero value is an empty plan.
type Plan []Group

// Steps returns the steps of all groups in the order in which they are done.
func (p Plan) Steps() []Step {
	var all []Step
	for _, g := range p {
		all = append(all, g.Steps...)
	}
	return all
}

// Do does the steps in order. When one fails, those before it are undone in
// reverse and the error is a [*Error], joined with what failed in undoing.
func (p Plan) Do() error {
	steps := p.Steps()
	for i, s := range steps {
		if err := s.Do(); err != nil {
			failed := &Error{Index: i + 1, Total: len(steps), Step: s, Err: err}
			return errors.Join(failed, undo(steps[:i]))
		}
	}
	return nil
}

// Undo takes the plan back, last step first. It goes on after a failure and
// joins the errors. It is safe on a plan that was done in part, or not at all,
// or undone already.
func (p Plan) Undo() error { return undo(p.Steps()) }

func undo(steps []Step) error {
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		inverse := steps[i].Undo()
		if inverse == nil {
			continue
		}
		if err := inverse.Do(); err != nil {
			errs = append(errs, fmt.Errorf("undo of %s: %w", steps[i].Shell(), err))
		}
	}
	return errors.Join(errs...)
}
