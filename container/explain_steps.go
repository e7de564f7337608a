package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gocker/container/step"
	"gocker/layers"

	"golang.org/x/sys/unix"
)

// The steps of this file stand in printed scripts for what gocker does in Go
// when it creates, ends and removes a container.

// gockerStep prints a line of gocker itself.
func gockerStep(words ...string) string {
	for i, w := range words {
		words[i] = step.Quote(w)
	}
	return "gocker step " + strings.Join(words, " ")
}

// holdDir locks a directory for the life of the process.
type holdDir struct{ Path string }

// Shell opens the directory and calls flock(1).
func (s holdDir) Shell() string { return "exec 8< " + step.Quote(s.Path) + "; flock 8" }

// Do locks the directory.
func (s holdDir) Do() error {
	fd, err := unix.Open(s.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Flock(fd, unix.LOCK_EX)
}

// Undo is nil: the end of the process is the undo.
func (s holdDir) Undo() step.Step { return nil }

// becomeInside is the way of a process into a container that runs, up to its
// command.
type becomeInside struct {
	PID       int
	Namespace bool // the container has a PID namespace of its own
	Gocker    string
	Plan      step.Plan
}

// Shell prints nsenter(1) for the PID namespace, which only a child of the one
// who enters is in, and a call of gocker for the rest: in the container's mount
// namespace there need be no tools.
func (s becomeInside) Shell() string {
	line := step.Quote(s.Gocker) + " step " + s.Plan.Line()
	if s.Namespace {
		line = fmt.Sprintf("nsenter --target %d --pid %s", s.PID, line)
	}
	return "exec " + line
}

// Do is not for this step: it is for printing.
func (s becomeInside) Do() error { return unix.ENOTSUP }

// Undo is nil: the end of the process is the undo.
func (s becomeInside) Undo() step.Step { return nil }

// makeUpper makes a container's writable layer.
type makeUpper struct {
	Dir   string
	Layer string // what it lies upon
}

// Shell prints a call of gocker itself: no tool copies all attributes of a
// directory and nothing in it.
func (s makeUpper) Shell() string { return gockerStep("make-upper", s.Dir, s.Layer) }

// Do makes the directory.
func (s makeUpper) Do() error { return layers.Stack{s.Layer}.MakeUpper(s.Dir) }

// Undo removes what the container has written.
func (s makeUpper) Undo() step.Step { return removeAll{s.Dir} }

// MakeVolume makes a volume and fills one that is empty with what an image has
// at a path.
type MakeVolume struct {
	Dir   string // with _data in it
	At    string // an empty directory, to look at the image in private
	Path  string // in the image; "" leaves the volume empty
	Lower []string
}

// Shell prints a call of gocker itself: the image's path may be hostile, and has
// to be looked up within the image.
func (s MakeVolume) Shell() string {
	return gockerStep(append([]string{"make-volume", s.Dir, s.At, s.Path}, s.Lower...)...)
}

// Do makes the volume.
func (s MakeVolume) Do() error {
	m := MountPoint{Type: "volume", Source: filepath.Join(s.Dir, volumeData), Destination: s.Path}
	return onOwnThread(func() error {
		image := imageView{lower: s.Lower, at: s.At}
		return errors.Join(makeVolume(m, &image, s.Path == "", volumeFacts{}), image.close())
	})
}

// Undo is nil: a volume may have other users.
func (s MakeVolume) Undo() step.Step { return nil }

// removeAll removes a directory with all that is in it.
type removeAll struct{ Path string }

// Shell prints rm.
func (s removeAll) Shell() string { return "rm -rf " + step.Quote(s.Path) }

// Do removes the directory.
func (s removeAll) Do() error { return os.RemoveAll(s.Path) }

// Undo is nil: what is removed stays so.
func (s removeAll) Undo() step.Step { return nil }

// awaitDir waits until nobody has a directory locked, or it is gone.
type awaitDir struct{ Path string }

// Shell prints flock, which a directory that goes meanwhile makes fail.
func (s awaitDir) Shell() string {
	return "flock " + step.Quote(s.Path) + " true 2> /dev/null || :"
}

// Do waits.
func (s awaitDir) Do() error {
	f, err := lock(s.Path, true)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Undo is nil.
func (s awaitDir) Undo() step.Step { return nil }
