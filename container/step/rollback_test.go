package step_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// hostPlan makes one of everything that can be undone, below the working
// directory.
func hostPlan(dir string) step.Plan {
	in := func(name string) string { return filepath.Join(dir, name) }
	return step.Plan{
		{Why: "Directories.", Steps: []step.Step{
			step.Mkdir{Path: in("a"), Mode: 0o755},
			step.Mkdir{Path: in("a/b"), Mode: 0o755},
			step.Mkdir{Path: in("a/b"), Mode: 0o755, Parents: true},
		}},
		{Why: "Mounts.", Steps: []step.Step{
			step.Mount{Source: "x", Target: in("a/b"), Type: "tmpfs"},
			step.Mkdir{Path: in("a/b/c"), Mode: 0o755},
			step.Mkdir{Path: in("a/d"), Mode: 0o755},
			step.Mount{Source: in("a/b/c"), Target: in("a/d"), Flags: unix.MS_BIND},
			step.Mount{Target: in("a/d"), Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
			step.Mount{Target: in("a/d"), Flags: unix.MS_PRIVATE},
		}},
		{Why: "Names.", Steps: []step.Step{
			step.Symlink{Target: "anything", Path: in("a/l")},
			step.Mknod{Path: in("a/null"), Type: 'c', Major: 1, Minor: 3, Mode: 0o666},
			link{in("a"), "dummy0"},
			step.LinkUp{Name: "dummy0"},
		}},
	}
}

// link is a step of another package: an interface, and a directory entry that
// shows it.
type link struct{ dir, name string }

func (l link) Shell() string   { return "ip link add " + l.name + " type veth" }
func (l link) Undo() step.Step { return unlink(l) }
func (l link) Do() error {
	return exec.Command("ip", "link", "add", l.name, "type", "veth").Run()
}

type unlink link

func (l unlink) Shell() string   { return "ip link del " + l.name }
func (l unlink) Undo() step.Step { return nil }
func (l unlink) Do() error {
	if exec.Command("ip", "link", "show", l.name).Run() != nil {
		return nil
	}
	return exec.Command("ip", "link", "del", l.name).Run()
}

// broken is a step that fails, and so does its undoing.
type broken struct{ err error }

func (b broken) Shell() string   { return "false # " + b.err.Error() }
func (b broken) Do() error       { return b.err }
func (b broken) Undo() step.Step { return b }

func TestWhatWasDoneIsUndoneWhereverThePlanFails(t *testing.T) {
	ownNamespaces(t)
	before := state(t, "/mnt")
	whole := hostPlan("/mnt")
	n := len(whole.Steps())
	for i := range n + 1 {
		var plan step.Plan
		at := 0
		for _, g := range whole {
			if i >= at && i < at+len(g.Steps) {
				g.Steps = slices.Insert(slices.Clone(g.Steps), i-at, step.Step(broken{syscall.EIO}))
			}
			at += len(g.Steps)
			plan = append(plan, g)
		}
		if i == n {
			plan = append(plan, step.Group{Steps: []step.Step{broken{syscall.EIO}}})
		}
		err := plan.Do()
		var failed *step.Error
		if !errors.As(err, &failed) || failed.Index != i+1 || failed.Total != n+1 || !errors.Is(err, syscall.EIO) {
			t.Fatalf("at %d: got %v", i+1, err)
		}
		if err.Error() != failed.Error() {
			t.Errorf("at %d: undoing failed: %v", i+1, err)
		}
		if after := state(t, "/mnt"); after != before {
			t.Fatalf("at %d something remains:\n%s", i+1, difference(before, after))
		}
	}
}

func TestAPlanIsUndoneOnceTwiceAndWithoutHavingBeenDone(t *testing.T) {
	ownNamespaces(t)
	before := state(t, "/mnt")
	plan := hostPlan("/mnt")
	for _, act := range []struct {
		name string
		do   func() error
		want bool // that something is there
	}{
		{"undo, never done", plan.Undo, false},
		{"do", plan.Do, true},
		{"undo", plan.Undo, false},
		{"undo again", plan.Undo, false},
		{"do again", plan.Do, true},
		{"undo by another that knows the plan", hostPlan("/mnt").Undo, false},
	} {
		if err := act.do(); err != nil {
			t.Fatalf("%s: %v", act.name, err)
		}
		if after := state(t, "/mnt"); (after != before) != act.want {
			t.Fatalf("%s:\n%s", act.name, difference(before, after))
		}
	}
}

func TestUndoingGoesOnAndJoinsItsErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/x", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	made := step.Mkdir{Path: dir + "/made", Mode: 0o755}
	full := step.Mkdir{Path: dir, Mode: 0o755} // there already, and not empty
	plan := step.Plan{{Steps: []step.Step{made, broken{syscall.EIO}, full, broken{syscall.EBUSY}}}}
	if err := made.Do(); err != nil {
		t.Fatal(err)
	}
	err := plan.Undo()
	for _, want := range []error{syscall.EIO, syscall.ENOTEMPTY, syscall.EBUSY} {
		if !errors.Is(err, want) {
			t.Errorf("%v is not in %q", want, err)
		}
	}
	if _, err := os.Stat(made.Path); err == nil {
		t.Error("the first step is not undone after the failures")
	}
	want := fmt.Sprintf("undo of false # device or resource busy: device or resource busy\nundo of mkdir -m 0755 %s: directory not empty\nundo of false # input/output error: input/output error", dir)
	if fmt.Sprint(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAFailureIsJoinedWithThoseOfUndoing(t *testing.T) {
	dir := t.TempDir()
	spoil := step.Touch{Path: dir + "/a/spoiled"}
	err := step.Plan{{Steps: []step.Step{step.Mkdir{Path: dir + "/a", Mode: 0o755}, spoil, broken{syscall.EIO}}}}.Do()
	want := fmt.Sprintf("step 3 of 3: false # input/output error: input/output error\nundo of mkdir -m 0755 %s/a: directory not empty", dir)
	if fmt.Sprint(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// ownNamespaces gives the test a thread, a mount and a network namespace of its
// own, with an empty tmpfs on /mnt. The thread ends with the test.
func ownNamespaces(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	for _, err := range []error{
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// state returns the files below dir and the mounts and links of the thread.
func state(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	links, err := exec.Command("ip", "-o", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	b.Write(links)
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, " "+dir) {
			b.WriteString(line)
		}
	}
	return b.String()
}
