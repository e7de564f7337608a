package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountPoints turns -v, --mount, --volumes-from and the image's volumes into
// mounts with a source on the host, in this order: those that were asked for by
// -v and --mount have the same index as in [HostConfig].Mounts. What the user
// mounts takes the place of others' and of the image's volume on the same path.
func (s *Store) mountPoints(c *Container) ([]MountPoint, error) {
	points := []MountPoint{}
	covered := map[string]bool{}
	for target := range c.HostConfig.Tmpfs {
		covered[path.Clean(target)] = true
	}
	for _, m := range c.HostConfig.Mounts {
		point, err := s.mountPoint(&m)
		if err != nil {
			return nil, err
		}
		covered[point.Destination] = true
		points = append(points, point)
	}
	borrowed, err := s.borrow(c.HostConfig.VolumesFrom, covered)
	if err != nil {
		return nil, err
	}
	points = append(points, borrowed...)
	for target := range c.Config.Volumes {
		target = path.Clean("/" + target)
		if covered[target] {
			continue
		}
		name := NewID()
		points = append(points, MountPoint{
			Type: "volume", Name: name, Source: s.volumeDir(name), Destination: target,
			Driver: localDriver, RW: true, Propagation: "rprivate", Anonymous: true,
		})
	}
	return points, nil
}

// mountPoint is a mount that was asked for.
func (s *Store) mountPoint(m *Mount) (MountPoint, error) {
	point := MountPoint{Type: m.Type, Source: m.Source, Destination: path.Clean(m.Target), RW: !m.ReadOnly, Propagation: m.Propagation}
	if point.Propagation == "" {
		point.Propagation = "rprivate"
	}
	if m.ReadOnly {
		point.Mode = "ro"
	}
	switch m.Type {
	case "bind":
		if _, err := os.Stat(m.Source); err != nil && !m.CreateSource {
			return point, fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", m.Source)
		}
		if m.ReadOnlyForceRecursive && !hasMountSetattr() {
			return point, errors.New("bind-recursive=readonly: requires Linux 5.12 or later")
		}
	case "volume":
		point.Name, point.Driver, point.Anonymous = m.Source, localDriver, m.Source == ""
		if point.Anonymous {
			point.Name = NewID()
		}
		if err := validVolume(point.Name, m.Driver, m.DriverOptions); err != nil {
			return point, err
		}
		point.Source = s.volumeDir(point.Name)
		facts := volumeFacts{Options: m.DriverOptions}
		if !point.Anonymous {
			have, err := readVolumeFacts(filepath.Dir(point.Source))
			if err != nil {
				return point, fmt.Errorf("volume %s: %w", point.Name, err)
			}
			if _, err := os.Lstat(point.Source); err == nil {
				facts = have
			}
		}
		point.Device = facts.Options["device"]
	}
	return point, nil
}

// borrow returns the mounts of other containers, a later one's before an earlier
// one's, but for what is covered.
func (s *Store) borrow(from []string, covered map[string]bool) ([]MountPoint, error) {
	var points []MountPoint
	for i := len(from) - 1; i >= 0; i-- {
		name, mode, err := parseVolumesFrom(from[i])
		if err != nil {
			return nil, err
		}
		lender, err := s.Get(name)
		if err != nil {
			return nil, err
		}
		for _, m := range lender.Mounts {
			if m.Type == "tmpfs" || covered[m.Destination] {
				continue
			}
			covered[m.Destination] = true
			m.RW = m.RW && !mode.ReadOnly
			m.Borrowed = true
			points = append(points, m)
		}
	}
	return points, nil
}

// asked is what a mount point came from, the zero value when it was not asked for.
func (c *Container) asked(i int) Mount {
	if i < len(c.HostConfig.Mounts) {
		return c.HostConfig.Mounts[i]
	}
	return Mount{}
}

// bindOptions are the options of a bind or a volume in the OCI spec, whose rro is
// read-only with all that is mounted below.
func (c *Container) bindOptions(i int) []string {
	m, asked := c.Mounts[i], c.asked(i)
	bind, access := "rbind", "rw"
	switch {
	case asked.NonRecursive:
		bind = "bind"
		fallthrough
	case m.RW, asked.ReadOnlyNonRecursive, !hasMountSetattr():
		if !m.RW {
			access = "ro"
		}
	default:
		access = "rro"
	}
	return []string{bind, m.Propagation, access}
}

// hasMountSetattr reports whether the kernel has mount_setattr(2), Linux 5.12.
func hasMountSetattr() bool {
	return unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{}) != unix.ENOSYS
}

// makeSources makes the host directories of binds that are missing, and the
// volumes.
func (c *Container) makeSources() error {
	for i, m := range c.Mounts {
		if m.Type != "bind" || m.Borrowed {
			continue
		}
		asked := c.asked(i)
		if _, err := os.Stat(m.Source); errors.Is(err, os.ErrNotExist) && asked.CreateSource {
			if err := os.MkdirAll(m.Source, 0o755); err != nil {
				return fmt.Errorf("error while creating mount source path '%s': %w", m.Source, err)
			}
		}
	}
	return c.makeVolumes()
}
