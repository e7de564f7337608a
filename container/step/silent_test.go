package step

import (
	"os"
	"path/filepath"
	"testing"
)

// mute is a step that must not be printed.
type mute struct{ compiler }

func (mute) Shell() string { panic("a step was printed") }

// Undo is as mute.
func (m mute) Undo() Step {
	if back, ok := m.compiler.Undo().(compiler); ok {
		return mute{back}
	}
	return nil
}

// A run without --explain costs nothing for it: whatever is done with a plan but
// printing it calls no Shell.
func TestWhoDoesAPlanDoesNotPrintIt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	plan := Plan{{Steps: []Step{
		mute{Mkdir{Path: filepath.Join(dir, "a"), Mode: 0o700}},
		mute{Touch{Path: file}},
		mute{Write{Path: file, Data: "x"}},
	}}}
	if err := plan.Do(); err != nil {
		t.Fatal(err)
	}
	if err := plan.Undo(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	inside := Plan{{Steps: []Step{
		mute{Umask{Mask: 0o77}},
		mute{Mkdir{Path: filepath.Join(dir, "b"), Mode: 0o700}},
		Exec{Files: []string{"/bin/true"}, Args: []string{"true"}},
	}}}
	proc, err := inside.Fork(Clone{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := proc.Wait()
	if err != nil || status != 0 {
		t.Errorf("%v, %v", status, err)
	}
	if err := proc.Release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "b")); err != nil {
		t.Error(err)
	}
}
