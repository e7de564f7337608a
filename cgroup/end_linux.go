package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gocker/container/step"
)

const (
	// killPatience bounds the wait for killed processes to be gone. One that
	// sleeps in the kernel without being interruptible dies only afterwards.
	killPatience = 10 * time.Second
	// removePatience bounds the wait for a group to become removable: the
	// kernel counts a process for a moment after its parent has waited for it.
	removePatience = time.Second
)

// Kill kills every process of the group and returns when none is left, or with
// an error after ten seconds. A group that is empty or gone is killed already;
// Kill is safe to repeat. The caller still reaps its own children.
func (g *Group) Kill() error {
	deadline := time.Now().Add(killPatience)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		pids, err := g.Procs()
		if err == nil && len(pids) == 0 {
			return nil
		}
		if err == nil {
			err = g.killAll(pids)
		}
		if err != nil {
			return fmt.Errorf("kill the processes of control group %s: %w", g.path, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kill the processes of control group %s: %v are still there after %v", g.path, pids, killPatience)
		}
		time.Sleep(wait)
	}
}

// killAll sends SIGKILL to all processes of the group, pids as far as the
// kernel can't do it for the whole group.
func (g *Group) killAll(pids []int) error {
	if g.host.v2 != nil {
		// Kills the groups below too, and what forks meanwhile (Linux 5.14).
		err := write(filepath.Join(g.V2Dir(), "cgroup.kill"), "1")
		if err == nil || !exists(g.V2Dir()) {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Frozen, the processes can't fork faster than they are found. It is a help,
	// not a need: nobody waits for it, and failure is not reported.
	if f, ok := g.freezer(); ok {
		_ = write(f.file, f.stop)
	}
	var errs []error
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("process %d: %w", pid, err))
		}
	}
	// What version 1 has frozen dies when it goes on.
	return errors.Join(append(errs, g.Thaw())...)
}

// Procs returns the processes of the group and of all groups below it, as the
// caller's pid namespace numbers them, in no order. A group that is gone has
// none.
func (g *Group) Procs() ([]int, error) {
	dirs := g.dirs()
	if len(dirs) == 0 {
		return nil, errors.New("no cgroup filesystem is mounted")
	}
	// A container's process is in the group in every hierarchy: one will do.
	var pids []int
	err := filepath.WalkDir(dirs[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return ignoreGone(err)
		}
		data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return ignoreGone(err)
		}
		for field := range strings.FieldsSeq(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("read %s/cgroup.procs: %w", path, err)
			}
			// Zero is a process of another pid namespace.
			if pid != 0 && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// ignoreGone drops the errors of a group that was removed while it was read.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func write(path, data string) error { return step.Write{Path: path, Data: data}.Do() }

// directory is the step that makes a group.
type directory struct{ Path string }

// Shell prints mkdir.
func (s directory) Shell() string { return "mkdir " + step.Quote(s.Path) }

// Do makes the group. One that exists belongs to somebody: EEXIST. Its mode is
// of no account: only root writes there.
func (s directory) Do() error { return unix.Mkdir(s.Path, 0o755) }

// Undo removes the group and those that the container made below it.
func (s directory) Undo() step.Step { return removal(s) }

// removal is the step that removes a group and all below it.
type removal struct{ Path string }

// Shell prints find, which goes through the tree from its leaves.
func (s removal) Shell() string {
	path := step.Quote(s.Path)
	return "[ ! -e " + path + " ] || find " + path + ` -depth -type d -exec rmdir {} \;`
}

// Undo is nil: what is removed stays so.
func (s removal) Undo() step.Step { return nil }

// Do removes the group, waiting a little for the last process to be forgotten.
func (s removal) Do() error {
	deadline := time.Now().Add(removePatience)
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := unix.Rmdir(s.Path)
		if errors.Is(err, unix.EBUSY) {
			err = errors.Join(err, removeBelow(s.Path))
		}
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY), time.Now().After(deadline):
			return err
		}
		time.Sleep(wait)
	}
}

// removeBelow removes the groups below dir that are empty.
func removeBelow(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreGone(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		child := filepath.Join(dir, e.Name())
		if err := removeBelow(child); err != nil {
			return err
		}
		if err := unix.Rmdir(child); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
