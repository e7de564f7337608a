package container

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Filter says which containers a list shows, see [Store.ParseFilter]. The zero
// value lets all pass.
type Filter struct {
	// AnyState says that a condition asks for a status: then containers that
	// don't run are listed without being asked for.
	AnyState bool

	groups map[string][]condition // one of each group must hold
}

type condition func(*Container) bool

// ParseFilter reads conditions of the form key=value, docker's for ps --filter
// (moby, daemon/list.go). Values of one key are alternatives, but for labels,
// which must all be there.
//
//	id, name         a regular expression
//	label            KEY or KEY=VALUE
//	status           one of docker's words: created, running, exited, …
//	exited           an exit code
//	ancestor         an image: also the containers of images built upon it
//	before, since    a container: those created earlier, or later
//	volume           a volume's name, a bind's source, or the place of either
//	network          a network's name
//	health           starting, healthy, unhealthy, or none without a check
//	is-task          that a container is no task
//
// Image looks images up; a name that it does not know is nobody's ancestor.
func (s *Store) ParseFilter(conditions []string, image func(name string) (*Image, bool)) (Filter, error) {
	f := Filter{groups: map[string][]condition{}}
	for _, text := range conditions {
		key, value, _ := strings.Cut(text, "=")
		holds, err := s.parseCondition(key, value, image)
		if err != nil {
			return Filter{}, err
		}
		f.AnyState = f.AnyState || key == "status"
		group := key
		if key == "label" {
			group = text
		}
		f.groups[group] = append(f.groups[group], holds)
	}
	return f, nil
}

// Match reports whether a container is to be listed.
func (f Filter) Match(c *Container) bool {
	for _, alternatives := range f.groups {
		if !slices.ContainsFunc(alternatives, func(holds condition) bool { return holds(c) }) {
			return false
		}
	}
	return true
}

func (s *Store) parseCondition(key, value string, image func(string) (*Image, bool)) (condition, error) {
	invalid := fmt.Errorf("invalid filter '%s=%s'", key, value)
	switch key {
	case "id", "name":
		pattern, err := regexp.Compile(value)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", invalid, err)
		}
		if key == "id" {
			return func(c *Container) bool { return pattern.MatchString(c.ID) }, nil
		}
		return func(c *Container) bool { return pattern.MatchString(c.Name) || pattern.MatchString("/"+c.Name) }, nil
	case "label":
		return func(c *Container) bool { return hasLabel(c.Config.Labels, value) }, nil
	case "status":
		if !slices.Contains(statusWords, value) {
			return nil, invalid
		}
		return func(c *Container) bool { return c.State.Word() == value }, nil
	case "exited":
		code, err := strconv.Atoi(value)
		if err != nil {
			return nil, invalid
		}
		return func(c *Container) bool {
			ended := !c.State.Up() && !c.State.StartedAt.IsZero()
			return ended && c.State.ExitCode == code
		}, nil
	case "ancestor":
		ancestor, known := image(value)
		return func(c *Container) bool { return known && c.descendsFrom(ancestor) }, nil
	case "before", "since":
		other, err := s.Get(value)
		if err != nil {
			return nil, err
		}
		if key == "before" {
			return func(c *Container) bool { return c.Created.Before(other.Created) }, nil
		}
		return func(c *Container) bool { return c.Created.After(other.Created) }, nil
	case "volume":
		return func(c *Container) bool { return slices.ContainsFunc(c.Mounts, named(value)) }, nil
	case "network":
		return func(c *Container) bool { return c.HostConfig.NetworkMode == value }, nil
	case "health":
		if !slices.Contains(healthWords, value) {
			return nil, invalid
		}
		return func(c *Container) bool { return c.State.HealthWord() == value }, nil
	case "is-task":
		task, err := strconv.ParseBool(value)
		if err != nil {
			return nil, invalid
		}
		return func(*Container) bool { return !task }, nil
	}
	return nil, fmt.Errorf("invalid filter '%s'", key)
}

// What docker accepts as a status and as a health, also where no container of
// gocker is ever in it.
var (
	statusWords = []string{Created, Running, Paused, Restarting, "removing", Exited, "dead"}
	healthWords = []string{"none", Starting, Healthy, Unhealthy}
)

// descendsFrom reports whether the container's image is this one, or has all of
// its layers and more.
func (c *Container) descendsFrom(i *Image) bool {
	n := len(i.Layers)
	// A chain ID stands for all the layers below it too.
	built := n > 0 && len(c.Layers) > n && c.Layers[n-1] == i.Layers[n-1]
	return built || c.ImageID == i.ID && i.ID != ""
}

// named matches a mount as the filter for volumes names it.
func named(value string) func(MountPoint) bool {
	return func(m MountPoint) bool {
		name := m.Name
		if name == "" {
			name = m.Source
		}
		return name == value || m.Destination == value
	}
}
