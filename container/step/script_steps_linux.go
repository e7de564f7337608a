package step

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The steps of this file are for printed scripts alone. They do there what
// gocker does otherwise: it opens a mount's source by itself and passes it on by
// number.

// OpenTree opens a detached copy of the mount at Source as the descriptor FD,
// which stays open across exec, for a [MoveMount]. See open_tree(2).
type OpenTree struct {
	FD        int
	Source    string
	Recursive bool // with the mounts below it
	ReadOnly  bool // all of them: see mount_setattr(2), Linux 5.12
}

// Shell prints a call of gocker itself, a prefix of a command: no tool of
// util-linux opens a mount for others.
func (s OpenTree) Shell() string { return "gocker step " + s.prefix() }

func (s OpenTree) prefix() string {
	options := ""
	if s.Recursive {
		options = "--recursive "
	}
	if s.ReadOnly {
		options += "--read-only "
	}
	return fmt.Sprintf("open_tree %s%d %s", options, s.FD, operand(s.Source))
}

// Do opens the mount.
func (s OpenTree) Do() error { return do(s) }

// Undo is nil: the mount goes with its last descriptor.
func (s OpenTree) Undo() Step { return nil }

func (s OpenTree) compile(p *program) {
	flags := uintptr(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if s.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	p.add(unix.SYS_OPEN_TREE, cwd, p.cstring(s.Source), flags).hold = true
	if s.ReadOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		p.add(unix.SYS_MOUNT_SETATTR, 0, p.cstring(""), unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, pointer(p, &attr), unsafe.Sizeof(attr)).onHeld = true
	}
	p.add(unix.SYS_DUP3, 0, uintptr(s.FD), 0).onHeld = true
	p.add(unix.SYS_CLOSE).onHeld = true
}

// writeFD writes to a descriptor that the caller has opened.
type writeFD struct {
	FD   int
	Data string
}

func (s writeFD) Shell() string {
	return fmt.Sprintf("printf %%s %s >&%d", Quote(s.Data), s.FD)
}

func (s writeFD) Do() error  { return do(s) }
func (s writeFD) Undo() Step { return nil }

func (s writeFD) compile(p *program) {
	p.add(unix.SYS_WRITE, uintptr(s.FD), p.cstring(s.Data), uintptr(len(s.Data)))
}
