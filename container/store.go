package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Store is where containers are kept. The zero value is not useful: see
// [Open].
type Store struct {
	Root    string // survives a boot
	RunRoot string // does not
}

// Open returns the store in two directories, which it makes when they are
// missing, and takes care of containers whose monitor was killed. It is safe
// beside any other gocker.
func Open(root, runRoot string) (*Store, error) {
	s := &Store{Root: root, RunRoot: runRoot}
	if err := os.MkdirAll(s.dir(), 0o711); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if err := os.MkdirAll(runRoot, 0o711); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return s, s.reconcile()
}

func (s *Store) dir() string { return filepath.Join(s.Root, "containers") }

// handle returns a container of which nothing has been read.
func (s *Store) handle(id string) *Container {
	return &Container{
		Record:    Record{ID: id},
		dir:       filepath.Join(s.dir(), id),
		runDir:    filepath.Join(s.RunRoot, id),
		layersDir: filepath.Join(s.Root, "layers"),
	}
}

// ErrNotFound is in the error of a name or id that no container has.
var ErrNotFound = errors.New("no such container")

// notFound has docker's words.
type notFound struct{ name string }

func (e notFound) Error() string { return "No such container: " + e.name }
func (e notFound) Unwrap() error { return ErrNotFound }

// load reads the container with an id, and whether it is paused. One that a boot
// has ended is recorded so.
func (s *Store) load(id string) (*Container, error) {
	c, err := s.settled(id)
	if err != nil {
		return nil, err
	}
	return c, lookAtPauses(c)
}

// settled reads a container as it is after the boots that there were.
func (s *Store) settled(id string) (*Container, error) {
	c, err := s.read(id)
	if err != nil || !c.State.Up() {
		return c, err
	}
	// A monitor has its run directory before it says that the container runs,
	// and until it has said that it ended: without one, a boot came between.
	if _, err := os.Lstat(c.runDir); !errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if c, err = s.read(id); err != nil || !c.State.Up() {
		return c, err
	}
	if err := os.Mkdir(c.runDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := s.buryMonitor(c); err != nil {
		return nil, fmt.Errorf("reconcile container %s: %w", c.Name, err)
	}
	return s.read(id)
}

// read reads a container as it is on disk.
func (s *Store) read(id string) (*Container, error) {
	c := s.handle(id)
	err := readJSON(c.recordPath(), &c.Record)
	if err == nil {
		err = readJSON(filepath.Join(c.dir, "state.json"), &c.State)
	}
	if err == nil {
		c.Name, err = os.Readlink(filepath.Join(c.dir, "name"))
	}
	if err == nil {
		err = c.readHealth()
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, notFound{id}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ids returns the ids of all containers, also of those that are being made or
// removed.
func (s *Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.dir())
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// byName returns the id of the container that has a name, "" if none. The
// name is a symbolic link in the container's directory: claimed and looked at
// without reading the record.
func (s *Store) byName(ids []string, name string) string {
	for _, id := range ids {
		if have, err := os.Readlink(filepath.Join(s.dir(), id, "name")); err == nil && have == name {
			return id
		}
	}
	return ""
}

// Get returns the container with a name, an id, or an id's beginning.
func (s *Store) Get(name string) (*Container, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	if slices.Contains(ids, name) {
		return s.load(name)
	}
	want := strings.TrimPrefix(name, "/")
	if id := s.byName(ids, want); id != "" {
		c, err := s.load(id)
		if errors.Is(err, ErrNotFound) {
			return nil, notFound{name}
		}
		return c, err
	}
	var found []string
	for _, id := range ids {
		if name != "" && strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return nil, notFound{name}
	case 1:
		c, err := s.load(found[0])
		if errors.Is(err, ErrNotFound) {
			return nil, notFound{name}
		}
		return c, err
	}
	return nil, fmt.Errorf("Multiple IDs found with provided prefix: %s", name)
}

// List returns all containers, the newest first.
func (s *Store) List() ([]*Container, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var all []*Container
	for _, id := range ids {
		c, err := s.settled(id)
		if errors.Is(err, ErrNotFound) {
			continue // being made or removed
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Container) int { return b.Created.Compare(a.Created) })
	return all, lookAtPauses(all...)
}

// Spec reads the container's config.json.
func (c *Container) Spec() (*Spec, error) {
	if c.made != nil {
		return c.made, nil
	}
	spec := new(Spec)
	if err := readJSON(filepath.Join(c.dir, "config.json"), spec); err != nil {
		return nil, err
	}
	return spec, nil
}

// writeState replaces state.json.
func (c *Container) writeState() error {
	return writeJSON(filepath.Join(c.dir, "state.json"), &c.State, !c.HostConfig.AutoRemove)
}
