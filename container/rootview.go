package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"gocker/container/step"
	"gocker/layers"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// withRoot calls f with the container's root, its bind mounts and volumes in it. Of
// one that runs it is what its processes see; of another it is mounted for the time
// of the call, in a mount namespace that only the thread of the call is in, and the
// container can't be started meanwhile. What is below is the container's own: names
// have to be looked up with the root as /, see [layers.OpenDirIn].
func (s *Store) withRoot(c *Container, f func(root *os.File) error) error {
	if c.State.Status == Running {
		return c.withRunningRoot(f)
	}
	return s.withIdleRoot(c, true, f)
}

// withIdleRoot is withRoot for a container that doesn't run, with its binds or
// without. One that was started meanwhile is an error.
func (s *Store) withIdleRoot(c *Container, binds bool, f func(root *os.File) error) error {
	locked, err := s.lockThere(c)
	if err != nil {
		return err
	}
	defer locked.Close()
	now, err := s.load(c.ID)
	if err != nil {
		return err
	}
	*c = *now
	if c.State.Up() {
		return fmt.Errorf("container %s has just been started: try again", c.ShortID())
	}
	if c.State.Status == Exited {
		// Its monitor may be about to unmount what is mounted here.
		if err := c.awaitEnd(); err != nil {
			return err
		}
	}
	return onOwnThread(func() error {
		root, err := c.mountRoot(binds)
		if err != nil {
			return fmt.Errorf("mount the root of container %s: %w", c.ShortID(), err)
		}
		return errors.Join(f(root), root.Close())
	})
}

func (c *Container) withRunningRoot(f func(root *os.File) error) error {
	process, err := c.open()
	if err != nil {
		return err
	}
	defer process.Close()
	root, err := os.OpenFile(fmt.Sprintf("/proc/%d/root", c.State.Pid), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return c.notRunning()
	}
	defer root.Close()
	if c.ended(process) { // the number may be another's by now
		return c.notRunning()
	}
	return f(root)
}

// mountRoot mounts the container's root, with its binds or without, in a new mount
// namespace of this thread.
func (c *Container) mountRoot(binds bool) (*os.File, error) {
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare CLONE_NEWNS: %w", err)
	}
	steps := []step.Step{step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE}}
	if spec.lacks(wallOverlay) {
		steps = append(steps, step.Mount{Source: spec.Root.Path, Target: c.rootfs(), Flags: unix.MS_BIND})
	} else {
		overlay := c.Overlay()
		overlay.Volatile = false // that is for one mount
		if err := overlay.Check(); err != nil {
			return nil, err
		}
		steps = append(steps, overlay.Steps()...)
	}
	if err := (step.Plan{{Steps: steps}}).Do(); err != nil {
		return nil, err
	}
	root, err := os.OpenFile(c.rootfs(), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range spec.Mounts {
		if m.Type != "bind" || !binds {
			continue
		}
		if err := mountIn(root, m); err != nil {
			return nil, errors.Join(fmt.Errorf("%s on %s: %w", m.Source, m.Destination, err), root.Close())
		}
	}
	if spec.Root.Readonly {
		if err := (step.Mount{Target: c.rootfs(), Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY}).Do(); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	return root, nil
}

// mountIn mounts a directory or file of the host in a root that may be hostile. As
// at a start, what is missing of the place is made.
func mountIn(root *os.File, m specs.Mount) error {
	flags, _ := step.MountFlags(m.Options)
	how := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if flags&unix.MS_REC != 0 {
		how |= unix.AT_RECURSIVE
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, m.Source, how)
	if errors.Is(err, unix.ENOENT) {
		return nil // gone: a start will say it
	}
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	defer unix.Close(tree)
	if flags&unix.MS_RDONLY != 0 || slices.Contains(m.Options, "rro") {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", how&unix.AT_RECURSIVE|unix.AT_EMPTY_PATH, &attr); err != nil {
			return fmt.Errorf("mount_setattr: %w", err)
		}
	}
	place, err := makePlace(root, tree, m.Destination)
	if err != nil {
		return err
	}
	defer place.Close()
	err = unix.MoveMount(tree, "", int(place.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

// makePlace opens the place of a mount, and makes it first if it is missing: a
// directory or an empty file, as what is to be mounted.
func makePlace(root *os.File, tree int, name string) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return layers.OpenDirIn(root, name, true)
	}
	dir, err := layers.OpenDirIn(root, path.Dir(name), true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if f, err := openIn(int(dir.Fd()), filepath.Base(name), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL); err == nil {
		f.Close()
	}
	fd, err := layers.Openat2(int(root.Fd()), "./"+name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
