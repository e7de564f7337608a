package container

import (
	"errors"
	"fmt"
	"io"
	"os"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

// Export writes the container's root as a tar, without what is mounted in it. The
// container may run.
func (s *Store) Export(name string, w io.Writer) error {
	c, err := s.Get(name)
	if err != nil {
		return err
	}
	pack := func(root *os.File) error {
		p := layers.NewPacker(w)
		if err := p.Add(root, ".", ""); err != nil {
			return err
		}
		return p.Close()
	}
	if c.State.Status != Running {
		return s.withIdleRoot(c, false, pack)
	}
	var root *os.File
	err = onOwnThread(func() (err error) {
		root, err = c.cloneRoot()
		return err
	})
	if err != nil {
		return err
	}
	// Not on that thread: its /proc is the container's.
	return errors.Join(pack(root), root.Close())
}

// cloneRoot enters the mount namespace of a container that runs, for good: the
// thread is to end. It returns the root's mount, alone.
func (c *Container) cloneRoot() (*os.File, error) {
	process, err := c.open()
	if err != nil {
		return nil, err
	}
	defer process.Close()
	// Threads that share a working directory can't change their mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, fmt.Errorf("unshare CLONE_FS: %w", err)
	}
	if err := unix.Setns(int(process.Fd()), unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("setns: %w", err)
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree: %w", err)
	}
	return os.NewFile(uintptr(tree), "/"), nil
}

// PackChanges writes what the container has changed in its image's files as the tar
// of a layer. With pause, its processes stand still meanwhile if it runs.
func (s *Store) PackChanges(c *Container, pause bool, w io.Writer) (err error) {
	if pause && c.State.Status == Running && !c.State.Paused {
		if err := s.Pause(c.ID); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Unpause(c.ID)) }()
	}
	stack := append(layers.Stack{c.upper()}, c.lowerStack()...)
	return stack.PackChanges(w, isMountPoint)
}
