package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Rename gives a container another name, which nobody else gets at the same time.
func (s *Store) Rename(name, to string) error {
	c, err := s.Get(name)
	if err != nil {
		return err
	}
	to = strings.TrimPrefix(to, "/")
	if !validName(to) {
		return fmt.Errorf("Error when allocating new name: %w", invalidName(to))
	}
	// The container first: whoever holds it waits for nobody with the lock of all.
	locked, err := s.lockThere(c)
	if err != nil {
		return err
	}
	defer locked.Close()
	all, err := lock(s.dir(), true)
	if err != nil {
		return err
	}
	defer all.Close()
	ids, err := s.ids()
	if err != nil {
		return err
	}
	switch id := s.byName(ids, to); id {
	case "":
	case c.ID:
		return fmt.Errorf("Renaming a container with the same name as its current name")
	default:
		return fmt.Errorf("Error when allocating new name: %w", nameTaken(to, id))
	}
	// A name is there at any moment, the old one or the new.
	link := filepath.Join(c.dir, "name")
	next := link + ".tmp"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("rename container: %w", err)
	}
	if err := os.Symlink(to, next); err != nil {
		return fmt.Errorf("rename container: %w", err)
	}
	if err := os.Rename(next, link); err != nil {
		return fmt.Errorf("rename container: %w", err)
	}
	old := c.Name
	c.Name = to
	s.note(c, "rename", "oldName", "/"+old)
	return nil
}

func invalidName(name string) error {
	return fmt.Errorf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
}

func nameTaken(name, id string) error {
	return fmt.Errorf("Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+name, id)
}
