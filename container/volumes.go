package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// A volume is the directory volumes/<name>/_data. One that is new or empty is
// filled with what the image has at the place where it is mounted, as docker
// does:
//
//	lock volumes/<name> → copy to "copying" → rename to "copied" → rename to
//	"_data", or move the entries there when it is in use
//
// Whoever has the lock either finds no "copied" and starts again, or one that is
// complete and goes on from there. So several containers may create a volume at
// once, and what a killed one has copied in part is never used.
const (
	volumeData    = "_data"
	volumeCopying = "copying"
	volumeCopied  = "copied"
)

// madeVolumes is the file in which a container that is being created says which
// volumes it makes, for whoever sweeps it up when that ends early.
const madeVolumes = "volumes.json"

func (s *Store) volumeDir(name string) string {
	return filepath.Join(s.Root, "volumes", name, volumeData)
}

// makeVolumes makes the container's volumes that are not there yet.
func (c *Container) makeVolumes() error {
	isVolume := func(m MountPoint) bool { return m.Type == "volume" }
	if !slices.ContainsFunc(c.Mounts, isVolume) {
		return nil
	}
	if err := writeJSON(filepath.Join(c.dir, madeVolumes), c.Mounts, false); err != nil {
		return err
	}
	return onOwnThread(func() error {
		image := imageView{lower: c.lowerStack(), at: c.rootfs()}
		for i, m := range c.Mounts {
			if !isVolume(m) {
				continue
			}
			asked := c.asked(i)
			noCopy := asked.NoCopy || m.Borrowed || m.Device != ""
			if err := makeVolume(m, &image, noCopy, volumeFacts{Labels: asked.Labels, Options: asked.DriverOptions}); err != nil {
				return errors.Join(fmt.Errorf("create volume %s: %w", m.Name, err), image.close())
			}
		}
		return image.close()
	})
}

// makeVolume makes a volume that is new as facts say, and fills one that is empty.
func makeVolume(m MountPoint, image *imageView, noCopy bool, facts volumeFacts) (err error) {
	v, err := lockVolume(filepath.Dir(m.Source))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.lock.Close()) }()
	empty, err := v.isEmpty()
	if err != nil || !empty {
		return err
	}
	if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) {
		if err := v.describe(facts); err != nil {
			return err
		}
	}
	var from *os.File
	if !noCopy {
		if from, err = image.open(m.Destination); err != nil {
			return err
		}
	}
	if from == nil {
		return v.leaveEmpty()
	}
	return errors.Join(v.fill(from), from.Close())
}

// volume is the directory of a volume while it is locked.
type volume struct {
	dir  string
	lock *os.File
}

// lockVolume makes the directory when it is missing. Another process may remove
// it while this one waits for the lock: then it is made again.
func lockVolume(dir string) (*volume, error) {
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := lock(dir, true)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if isStill(f, dir) {
			return &volume{dir: dir, lock: f}, nil
		}
		f.Close()
	}
}

func (v *volume) path(name string) string { return filepath.Join(v.dir, name) }

// isEmpty reports whether the volume has nothing in it, or is not there yet. A
// copy that was completed but not moved counts, and is moved first.
func (v *volume) isEmpty() (bool, error) {
	if err := v.settle(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	data, err := os.Open(v.path(volumeData))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer data.Close()
	if _, err = data.Readdirnames(1); errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

func (v *volume) leaveEmpty() error {
	err := os.Mkdir(v.path(volumeData), 0o755)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// fill copies a directory of the image to the volume.
func (v *volume) fill(from *os.File) error {
	copying := v.path(volumeCopying)
	if err := os.RemoveAll(copying); err != nil {
		return err
	}
	if err := os.Mkdir(copying, 0o700); err != nil {
		return err
	}
	to, err := os.Open(copying)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := copyTree(from, to); err != nil {
		return err
	}
	// A name that is on the disk before the contents would after a power cut
	// lead to files of no length.
	if err := unix.Syncfs(int(to.Fd())); err != nil {
		return fmt.Errorf("syncfs: %w", err)
	}
	if err := os.Rename(copying, v.path(volumeCopied)); err != nil {
		return err
	}
	return v.settle()
}

// settle makes a complete copy the volume, or the contents of the one that is
// there, which other containers may have mounted. The error is os.ErrNotExist
// when there is no copy.
func (v *volume) settle() error {
	copied, data := v.path(volumeCopied), v.path(volumeData)
	err := os.Rename(copied, data)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(copied)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// What a container has put there in the meantime stays.
		err := os.Rename(filepath.Join(copied, e.Name()), filepath.Join(data, e.Name()))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if err := copyMetadataOf(copied, data); err != nil {
		return err
	}
	return os.RemoveAll(copied)
}

// removeVolumes removes the volumes that were made for this container alone.
// Those that others have mounted by their names stay.
func (s *Store) removeVolumes(c *Container) error {
	var errs []error
	for _, m := range c.Mounts {
		if m.Type != "volume" || !m.Anonymous {
			continue
		}
		used, err := s.usesVolume(m.Name, c.ID)
		if err == nil && !used {
			err = os.RemoveAll(filepath.Dir(m.Source))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// usesVolume reports whether a container, but for one, has a volume.
func (s *Store) usesVolume(name, but string) (bool, error) {
	all, err := s.List()
	return slices.ContainsFunc(all, func(c *Container) bool {
		return c.ID != but && slices.ContainsFunc(c.Mounts, func(m MountPoint) bool {
			return m.Type == "volume" && m.Name == name
		})
	}), err
}

// discard removes a container that was never complete, with the volumes that it
// has made, whole or in part.
func (s *Store) discard(c *Container) error {
	// The list is not there before the first volume is, and after a power cut
	// perhaps not whole.
	if err := readJSON(filepath.Join(c.dir, madeVolumes), &c.Mounts); err != nil {
		return c.delete()
	}
	return errors.Join(s.removeVolumes(c), s.sweepVolumes(c), c.delete())
}

// sweepVolumes removes the named volumes that a container has only begun.
func (s *Store) sweepVolumes(c *Container) error {
	var errs []error
	for _, m := range c.Mounts {
		if m.Type != "volume" || m.Anonymous {
			continue
		}
		dir := filepath.Dir(m.Source)
		f, err := lock(dir, false)
		if err != nil {
			continue // another makes it, or nothing is there
		}
		if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) {
			errs = append(errs, os.RemoveAll(dir))
		}
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
