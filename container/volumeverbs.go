package container

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Volume is a volume as `gocker volume` shows it, with docker's names.
type Volume struct {
	CreatedAt  time.Time
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
	// Users are the IDs of the containers that have it.
	Users []string `json:"-"`
}

// VolumeOptions are those of `gocker volume create`.
type VolumeOptions struct {
	Name    string // "" makes one up
	Driver  string // "local", or "" for it
	Labels  map[string]string
	Options map[string]string // of the driver: type, device and o, as of mount(8)
}

// volumeFile says of a volume what its directory doesn't. Most have none.
const volumeFile = "volume.json"

// volumeFacts is what is in a volumeFile.
type volumeFacts struct {
	Labels, Options map[string]string
}

// anonymousLabel is docker's, of volumes whose names nobody has chosen.
const anonymousLabel = "com.docker.volume.anonymous"

// ErrNoVolume is in the error of a name that no volume has.
var ErrNoVolume = errors.New("no such volume")

func (s *Store) volumesDir() string { return filepath.Join(s.Root, "volumes") }

// CreateVolume makes an empty volume, or returns the one of that name as it is.
func (s *Store) CreateVolume(o VolumeOptions) (*Volume, error) {
	if o.Name == "" {
		o.Name = NewID()
	}
	if err := validVolume(o.Name, o.Driver, o.Options); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.volumesDir(), o.Name)
	v, err := lockVolume(dir)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", o.Name, err)
	}
	if _, err = os.Lstat(v.path(volumeData)); errors.Is(err, os.ErrNotExist) {
		if err = v.describe(volumeFacts{Labels: o.Labels, Options: o.Options}); err == nil {
			err = v.leaveEmpty()
		}
	}
	if err = errors.Join(err, v.lock.Close()); err != nil {
		return nil, fmt.Errorf("create %s: %w", o.Name, err)
	}
	return s.volume(o.Name)
}

// describe writes down what there is to say of a new volume.
func (v *volume) describe(f volumeFacts) error {
	if len(f.Labels)+len(f.Options) == 0 {
		return nil
	}
	return writeJSON(v.path(volumeFile), f, true)
}

// validVolume refuses, in docker's words, what can't be a volume.
func validVolume(name, driver string, options map[string]string) error {
	if !validName(name) {
		if len(name) == 1 {
			return fmt.Errorf("create %s: volume name is too short, names should be at least two alphanumeric characters", name)
		}
		return fmt.Errorf("create %s: %q includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path", name, name)
	}
	if driver != "" && driver != localDriver {
		return fmt.Errorf("create %s: error looking up volume plugin %s: plugin %q not found", name, driver, driver)
	}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if key != "type" && key != "o" && key != "device" {
			return fmt.Errorf("create %s: invalid option: %q", name, key)
		}
	}
	switch kind := options["type"]; {
	case len(options) == 0:
		return nil
	case options["device"] == "":
		return fmt.Errorf("create %s: missing device in volume options", name)
	case kind != "" && kind != "none" || !slices.ContainsFunc(strings.Split(options["o"], ","), isBind):
		return fmt.Errorf("create %s: volume options: a directory of the host by o=bind is all that is supported", name)
	case !filepath.IsAbs(options["device"]):
		return fmt.Errorf("create %s: device %q: a directory of the host has an absolute path", name, options["device"])
	}
	return nil
}

const localDriver = "local"

func isBind(option string) bool { return option == "bind" || option == "rbind" }

// Volumes returns all volumes by their names.
func (s *Store) Volumes() ([]*Volume, error) {
	entries, err := os.ReadDir(s.volumesDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	users, err := s.volumeUsers()
	if err != nil {
		return nil, err
	}
	var all []*Volume
	for _, e := range entries {
		v, err := s.volume(e.Name())
		if errors.Is(err, ErrNoVolume) {
			continue // being made, or being removed
		}
		if err != nil {
			return nil, err
		}
		v.Users = users[v.Name]
		all = append(all, v)
	}
	return all, nil
}

// Volume returns the volume of a name. Its users are not looked for.
func (s *Store) Volume(name string) (*Volume, error) { return s.volume(name) }

func (s *Store) volume(name string) (*Volume, error) {
	dir := filepath.Join(s.volumesDir(), name)
	missing := fmt.Errorf("get %s: %w", name, ErrNoVolume)
	if !validName(name) {
		return nil, missing
	}
	if _, err := os.Lstat(filepath.Join(dir, volumeData)); errors.Is(err, os.ErrNotExist) {
		return nil, missing
	}
	facts, err := readVolumeFacts(dir)
	if err != nil {
		return nil, err
	}
	if len(facts.Labels) == 0 {
		facts.Labels = nil
	}
	if len(facts.Options) == 0 {
		facts.Options = nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	if isID(name) {
		labels := map[string]string{anonymousLabel: ""}
		maps.Copy(labels, facts.Labels)
		facts.Labels = labels
	}
	return &Volume{
		Name: name, Driver: localDriver, Scope: "local", Mountpoint: filepath.Join(dir, volumeData),
		Labels: facts.Labels, Options: facts.Options, CreatedAt: time.Unix(st.Mtim.Unix()),
	}, nil
}

func readVolumeFacts(dir string) (f volumeFacts, err error) {
	err = readJSON(filepath.Join(dir, volumeFile), &f)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	return f, err
}

// isID reports whether a name is one of [NewID]'s: of a volume without another.
func isID(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// anonymous reports whether nobody has given the volume its name.
func (v *Volume) anonymous() bool {
	_, ok := v.Labels[anonymousLabel]
	return ok
}

// Size returns how many bytes the volume holds: of its regular files and links, each
// counted once.
func (v *Volume) Size() (int64, error) {
	bytes, err := treeSize(v.Mountpoint)
	if err != nil {
		return 0, fmt.Errorf("size of volume %s: %w", v.Name, err)
	}
	return bytes, nil
}

// volumeUsers returns the IDs of the containers that have each volume, and of
// those that are being created with it.
func (s *Store) volumeUsers() (map[string][]string, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, id := range ids {
		c, err := s.read(id)
		if errors.Is(err, ErrNotFound) {
			c = s.handle(id)
			err = readJSON(filepath.Join(c.dir, madeVolumes), &c.Mounts)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, m := range c.Mounts {
			if m.Type == "volume" && !slices.Contains(users[m.Name], id) {
				users[m.Name] = append(users[m.Name], id)
			}
		}
	}
	return users, nil
}

// RemoveVolume removes a volume that no container has.
func (s *Store) RemoveVolume(name string) error {
	if _, err := s.volume(name); err != nil {
		return err
	}
	dir := filepath.Join(s.volumesDir(), name)
	// Who creates a container with it says so first, and then waits for the lock.
	f, err := lock(dir, true)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("get %s: %w", name, ErrNoVolume)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	defer f.Close()
	if !isStill(f, dir) {
		return fmt.Errorf("get %s: %w", name, ErrNoVolume)
	}
	users, err := s.volumeUsers()
	if err != nil {
		return err
	}
	if ids := users[name]; len(ids) > 0 {
		return fmt.Errorf("remove %s: volume is in use - [%s]", name, strings.Join(ids, ", "))
	}
	// With its data it is gone for all others, at once.
	removing := filepath.Join(dir, "removing")
	if err := os.RemoveAll(removing); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := os.Rename(filepath.Join(dir, volumeData), removing); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return os.RemoveAll(dir)
}

// PruneVolumes removes the volumes that no container has and that a filter lets
// pass, and returns their names and how many bytes they had. What it can't remove
// it leaves, and goes on.
func (s *Store) PruneVolumes(f VolumeFilter) (names []string, bytes int64, err error) {
	all, err := s.Volumes()
	if err != nil {
		return nil, 0, err
	}
	var errs []error
	for _, v := range all {
		if len(v.Users) > 0 || !f.Match(v) {
			continue
		}
		size, err := v.Size()
		if err == nil {
			err = s.RemoveVolume(v.Name)
		}
		switch {
		case errors.Is(err, ErrNoVolume):
		case err != nil:
			errs = append(errs, err)
		default:
			names, bytes = append(names, v.Name), bytes+size
		}
	}
	return names, bytes, errors.Join(errs...)
}

// VolumeFilter says which volumes are shown or removed. The zero value lets all
// pass.
type VolumeFilter struct {
	Anonymous     bool // those that have it from docker's label alone
	dangling      *bool
	names, driver []string // one of each is enough
	with, without []string // labels, KEY or KEY=VALUE
}

// ParseVolumeFilter reads docker's conditions of `volume ls --filter`:
//
//	dangling         true or false: no container has it
//	name             a part of the name
//	driver           its name
//	label            KEY or KEY=VALUE
//
// and, with prune, of `volume prune --filter`:
//
//	label, label!    KEY or KEY=VALUE
//	all              true: those with a name, too
func ParseVolumeFilter(conditions []string, prune bool) (VolumeFilter, error) {
	f := VolumeFilter{Anonymous: prune}
	for _, text := range conditions {
		key, value, _ := strings.Cut(text, "=")
		switch {
		case key == "label":
			f.with = append(f.with, value)
		case prune && key == "label!":
			f.without = append(f.without, value)
		case prune && key == "all":
			all, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("invalid filter 'all=[%s]'", value)
			}
			f.Anonymous = !all
		case !prune && key == "dangling":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("invalid filter 'dangling=[%s]'", value)
			}
			f.dangling = &on
		case !prune && key == "name":
			f.names = append(f.names, value)
		case !prune && key == "driver":
			f.driver = append(f.driver, value)
		default:
			return f, fmt.Errorf("invalid filter '%s'", key)
		}
	}
	return f, nil
}

// Match reports whether a volume passes.
func (f *VolumeFilter) Match(v *Volume) bool {
	labelled := func(label string) bool {
		name, want, hasValue := strings.Cut(label, "=")
		have, ok := v.Labels[name]
		return ok && (!hasValue || have == want)
	}
	missing := func(label string) bool { return !labelled(label) }
	switch {
	case f.Anonymous && !v.anonymous(),
		f.dangling != nil && *f.dangling != (len(v.Users) == 0),
		len(f.names) > 0 && !slices.ContainsFunc(f.names, func(part string) bool { return strings.Contains(v.Name, part) }),
		len(f.driver) > 0 && !slices.Contains(f.driver, v.Driver):
		return false
	}
	return !slices.ContainsFunc(f.with, missing) && !slices.ContainsFunc(f.without, labelled)
}
