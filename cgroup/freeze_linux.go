package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// freezePatience bounds the wait for a group to stand still. A process that
// sleeps in the kernel without being interruptible stops only afterwards.
const freezePatience = 10 * time.Second

// freezer is the file that stops a group and lets it go on, and the words for
// it. Version 2 is taken where it is mounted, on hybrid hosts too: what it has
// frozen can still be killed.
type freezer struct {
	file, stop, run string
	v2              bool
}

// freezer returns how the group is frozen; ok is false on a host that can't. See
// cgroup-v2.rst, "cgroup.freeze" (Linux 5.2), and freezer-subsystem.rst.
func (g *Group) freezer() (f freezer, ok bool) {
	if g.host.v2 != nil {
		return freezer{file: filepath.Join(g.V2Dir(), "cgroup.freeze"), stop: "1", run: "0", v2: true}, true
	}
	if t, _ := g.host.find("freezer"); t != nil {
		return freezer{file: filepath.Join(g.dir(t), "freezer.state"), stop: "FROZEN", run: "THAWED"}, true
	}
	return f, false
}

// Freeze stops all processes of the group and returns when they stand still. On
// an error they go on. It is safe to repeat. Of a group that is gone the error is
// [fs.ErrNotExist].
func (g *Group) Freeze() error {
	f, ok := g.freezer()
	if !ok {
		return g.host.missing("freezer")
	}
	err := write(f.file, f.stop)
	if err == nil {
		err = f.await()
	}
	switch {
	case err == nil:
		return nil
	case ignoreGone(err) == nil:
		return fs.ErrNotExist
	}
	return errors.Join(fmt.Errorf("freeze control group %s: %w", g.path, err), g.Thaw())
}

// Thaw lets the processes of a frozen group go on. It is safe to repeat; a group
// that is gone is nothing to thaw.
func (g *Group) Thaw() error {
	f, ok := g.freezer()
	if !ok {
		return nil
	}
	if err := write(f.file, f.run); ignoreGone(err) != nil {
		return fmt.Errorf("thaw control group %s: %w", g.path, err)
	}
	return nil
}

// Frozen reports whether somebody has asked for the group to be frozen. A group
// that is gone is not.
func (g *Group) Frozen() (bool, error) {
	f, ok := g.freezer()
	if !ok {
		return false, nil
	}
	state, err := os.ReadFile(f.file)
	if err != nil {
		return false, ignoreGone(err)
	}
	return strings.TrimSpace(string(state)) != f.run, nil
}

// await waits until the group stands still.
func (f freezer) await() error {
	deadline := time.Now().Add(freezePatience)
	if f.v2 {
		return awaitEvent(filepath.Join(filepath.Dir(f.file), "cgroup.events"), "frozen", deadline)
	}
	// Version 1 tells nobody when it is done, and is pushed on by being read.
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		state, err := os.ReadFile(f.file)
		switch {
		case err != nil:
			return err
		case strings.TrimSpace(string(state)) == f.stop:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("still %s after %v", strings.TrimSpace(string(state)), freezePatience)
		}
		time.Sleep(wait)
	}
}

// awaitEvent waits until a key of a cgroup.events file is 1. Its changes wake up
// who polls it. See cgroup-v2.rst, "[Un]populated Notification".
func awaitEvent(path, key string, deadline time.Time) error {
	events, err := os.Open(path)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		if _, err := events.Seek(0, 0); err != nil {
			return err
		}
		n, err := keyed(events, key)
		if err != nil {
			return err
		}
		if n == 1 {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("%s is still %d in %s", key, n, path)
		}
		fds := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return err
		}
	}
}
