package cgroup

import (
	"path/filepath"

	"gocker/container/step"
)

// KillStep returns [Group.Kill] as a step, for a printed plan.
func (g *Group) KillStep() step.Step { return killing{g} }

type killing struct{ group *Group }

// Shell writes cgroup.kill, which version 1 lacks: there it goes through the
// processes until there are no more. The group can be removed when all are gone.
func (s killing) Shell() string {
	procs := step.Quote(filepath.Join(s.group.dirs()[0], "cgroup.procs"))
	if dir := s.group.V2Dir(); dir != "" {
		return step.Write{Path: filepath.Join(dir, "cgroup.kill"), Data: "1"}.Shell() + "; while grep -q . " + procs + "; do sleep 0.01; done"
	}
	return "while grep -q . " + procs + "; do xargs kill -KILL < " + procs + " || :; done"
}

// Do kills the group.
func (s killing) Do() error { return s.group.Kill() }

// Undo is nil.
func (s killing) Undo() step.Step { return nil }
