package container

import (
	"errors"
	"fmt"
	"io/fs"

	"gocker/cgroup"
)

// That a container is paused is written down nowhere but in the kernel: its
// control group is frozen. See cgroups(7).

// Pause stops all processes of a running container where they are.
func (s *Store) Pause(name string) error {
	c, unlock, err := s.lockRunning(name)
	if err != nil {
		return err
	}
	defer unlock()
	if c.State.Paused {
		return fmt.Errorf("Container %s is already paused", c.ID)
	}
	group, err := c.group()
	if err != nil {
		return err
	}
	err = group.Freeze()
	if errors.Is(err, fs.ErrNotExist) {
		return notRunning(c) // it has just ended
	}
	if err != nil {
		return fmt.Errorf("Cannot pause container %s: %w", c.ID, err)
	}
	s.note(c, "pause")
	return nil
}

// Unpause lets the processes of a paused container go on.
func (s *Store) Unpause(name string) error {
	c, unlock, err := s.lockRunning(name)
	if err != nil {
		return err
	}
	defer unlock()
	if !c.State.Paused {
		return fmt.Errorf("Container %s is not paused", c.ID)
	}
	if err := c.thaw(); err != nil {
		return fmt.Errorf("Cannot unpause container %s: %w", c.ID, err)
	}
	s.note(c, "unpause")
	return nil
}

// lockRunning locks a container that runs.
func (s *Store) lockRunning(name string) (c *Container, unlock func() error, err error) {
	if c, err = s.Get(name); err != nil {
		return nil, nil, err
	}
	locked, err := s.lockThere(c)
	if err != nil {
		return nil, nil, err
	}
	c, err = s.load(c.ID)
	if err == nil && c.State.Status != Running {
		err = notRunning(c)
	}
	if err != nil {
		return nil, nil, errors.Join(err, locked.Close())
	}
	return c, locked.Close, nil
}

// thaw lets the container's processes go on, if they were paused.
func (c *Container) thaw() error {
	group, err := c.group()
	if err != nil {
		return err
	}
	return group.Thaw()
}

// lookAtPauses finds out which of the containers are paused.
func lookAtPauses(all ...*Container) error {
	var host *cgroup.Host
	for _, c := range all {
		if c.State.Status != Running {
			continue
		}
		var err error
		if host == nil {
			if host, err = cgroup.Open(); err != nil {
				return err
			}
		}
		c.cgroups = host
		if c.State.Paused, err = host.At(c.groupPath()).Frozen(); err != nil {
			return fmt.Errorf("look whether container %s is paused: %w", c.ShortID(), err)
		}
	}
	return nil
}
