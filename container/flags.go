package container

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gocker/container/step"

	"github.com/docker/go-units"
)

// The parsers of run's values that have a form of their own. Each error is
// docker's where docker has one.

// ParseVolume reads the value of -v: [SOURCE:]TARGET[:OPTIONS]. A source with a
// slash is a host path, which -v makes when it is missing, any other the name
// of a volume; without one the volume is new, and has no options.
func ParseVolume(s string) (Mount, error) {
	parts := strings.Split(s, ":")
	m := Mount{Type: "volume", Target: parts[0]}
	if slices.Contains(parts, "") {
		return m, fmt.Errorf("invalid spec: %s: empty section between colons", s)
	}
	if len(parts) > 1 {
		m.Source, m.Target = parts[0], parts[1]
	}
	if len(parts) > 3 || len(parts) == 2 && m.setOptions(m.Target) == nil {
		return m, fmt.Errorf("invalid volume specification: '%s'", s)
	}
	if len(parts) == 3 {
		if err := m.setOptions(parts[2]); err != nil {
			return m, err
		}
	}
	if err := m.setSource(); err != nil {
		return m, err
	}
	switch {
	case m.Type == "volume" && m.Propagation != "":
		return m, fmt.Errorf("invalid volume specification: '%s': invalid mount config for type \"volume\": field BindOptions must not be specified", s)
	case m.Type == "bind" && m.NoCopy:
		return m, fmt.Errorf("invalid volume specification: '%s': invalid mount config for type \"bind\": field VolumeOptions must not be specified", s)
	}
	return m, nil
}

// setOptions reads the last part of -v. Of each kind of option there may be one.
func (m *Mount) setOptions(options string) error {
	seen := map[string]bool{}
	for option := range strings.SplitSeq(options, ",") {
		kind := option
		switch option {
		case "ro", "rw":
			kind, m.ReadOnly = "access", option == "ro"
		case "nocopy":
			m.NoCopy = true
		case "z", "Z":
			kind = "label"
		case "consistent", "cached", "delegated":
			kind = "consistency"
		case "shared", "rshared", "slave", "rslave", "private", "rprivate":
			kind, m.Propagation = "propagation", option
		default:
			return fmt.Errorf("invalid mode: %s", options)
		}
		if seen[kind] {
			return fmt.Errorf("invalid mode: %s", options)
		}
		seen[kind] = true
	}
	return nil
}

func (m *Mount) setSource() (err error) {
	if !strings.HasPrefix(m.Source, ".") && !strings.Contains(m.Source, "/") {
		return nil
	}
	m.Type, m.CreateSource = "bind", true
	m.Source, err = filepath.Abs(m.Source)
	return err
}

// ParseMount reads the value of --mount: key=value pairs with commas between
// them, quoted as in CSV.
func ParseMount(s string) (Mount, error) {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil && err != io.EOF {
		return Mount{}, fmt.Errorf("invalid mount %q: %w", s, err)
	}
	m := Mount{Type: "volume"}
	var types []string // which keys are for, that only one type of mount has
	for _, field := range fields {
		key, value, hasValue := strings.Cut(field, "=")
		key = strings.ToLower(key)
		if !hasValue && !slices.Contains(mountSwitches, key) {
			return m, fmt.Errorf("invalid field '%s' must be a key=value pair", field)
		}
		if prefix, _, ok := strings.Cut(key, "-"); ok && slices.Contains(mountTypes, prefix) {
			types = append(types, prefix)
		}
		switch key {
		case "type":
			m.Type = strings.ToLower(value)
		case "source", "src":
			m.Source = value
		case "target", "dst", "destination":
			m.Target = value
		case "readonly", "ro":
			m.ReadOnly, err = parseSwitch(key, value, hasValue)
		case "volume-nocopy":
			m.NoCopy, err = parseSwitch(key, value, hasValue)
		case "bind-propagation":
			if !slices.Contains([]string{"shared", "rshared", "slave", "rslave", "private", "rprivate"}, value) {
				return m, fmt.Errorf("invalid value for bind-propagation: %s", value)
			}
			m.Propagation = value
		case "bind-nonrecursive":
			m.NonRecursive, err = parseSwitch(key, value, hasValue)
		case "bind-recursive":
			err = m.setRecursion(value)
		case "bind-create-src":
			m.CreateSource, err = parseSwitch(key, value, hasValue)
		case "volume-driver":
			m.Driver = value
		case "volume-label":
			m.Labels = withPair(m.Labels, value)
		case "volume-opt":
			m.DriverOptions = withPair(m.DriverOptions, value)
		case "consistency":
		case "tmpfs-size":
			size, err := units.RAMInBytes(value)
			if err != nil {
				return m, fmt.Errorf("invalid value for %s: %s", key, value)
			}
			m.Options = append(m.Options, "size="+strconv.FormatInt(size, 10))
		case "tmpfs-mode":
			mode, err := strconv.ParseUint(value, 8, 32)
			if err != nil {
				return m, fmt.Errorf("invalid value for %s: %s", key, value)
			}
			m.Options = append(m.Options, "mode="+strconv.FormatUint(mode, 8))
		default:
			err = fmt.Errorf("unexpected key '%s' in '%s'", key, field)
		}
		if err != nil {
			return m, err
		}
	}
	for _, t := range types {
		if t != m.Type {
			return m, fmt.Errorf("cannot mix '%s-*' options with mount type '%s'", t, m.Type)
		}
	}
	if m.Target == "" {
		return m, fmt.Errorf("invalid argument %q for \"--mount\" flag: target is required", s)
	}
	if err := m.checkRecursion(); err != nil {
		return m, err
	}
	switch m.Type {
	case "bind":
		if m.Source == "" {
			return m, fmt.Errorf("invalid argument %q for \"--mount\" flag: invalid mount config for type \"bind\": field Source must not be empty", s)
		}
		m.Source, err = filepath.Abs(m.Source)
		return m, err
	case "tmpfs":
		if m.Source != "" {
			return m, fmt.Errorf("invalid argument %q for \"--mount\" flag: invalid mount config for type \"tmpfs\": field Source must not be specified", s)
		}
		return m, nil
	case "volume":
		return m, nil
	}
	return m, fmt.Errorf("invalid argument %q for \"--mount\" flag: mount type %q is not supported: use bind, volume or tmpfs", s, m.Type)
}

// mountTypes are the types of --mount, each the beginning of its own keys;
// mountSwitches are the keys that are true when they stand alone.
var (
	mountTypes    = []string{"bind", "volume", "tmpfs"}
	mountSwitches = []string{"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"}
)

// withPair adds KEY=VALUE or KEY.
func withPair(m map[string]string, pair string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	key, value, _ := strings.Cut(pair, "=")
	m[key] = value
	return m
}

// setRecursion reads the value of bind-recursive.
func (m *Mount) setRecursion(value string) error {
	switch value {
	case "enabled":
	case "disabled":
		m.NonRecursive = true
	case "writable":
		m.ReadOnlyNonRecursive = true
	case "readonly":
		m.ReadOnlyForceRecursive = true
	default:
		return fmt.Errorf(`invalid value for bind-recursive: %s (must be "enabled", "disabled", "writable", or "readonly")`, value)
	}
	return nil
}

// checkRecursion refuses what bind-recursive can't go with, in docker's words.
func (m *Mount) checkRecursion() error {
	const needs = "option 'bind-recursive=%s' requires '%s' to be specified in conjunction"
	switch {
	case m.ReadOnlyNonRecursive && !m.ReadOnly:
		return fmt.Errorf(needs, "writable", "readonly")
	case m.ReadOnlyForceRecursive && !m.ReadOnly:
		return fmt.Errorf(needs, "readonly", "readonly")
	case m.ReadOnlyForceRecursive && m.Propagation != "rprivate":
		return fmt.Errorf(needs, "readonly", "bind-propagation=rprivate")
	}
	return nil
}

// parseVolumesFrom reads the value of --volumes-from: CONTAINER[:MODE].
func parseVolumesFrom(s string) (name string, m Mount, err error) {
	name, mode, ok := strings.Cut(s, ":")
	if name == "" {
		return "", m, fmt.Errorf("invalid volumes-from specification: '%s'", s)
	}
	if !ok {
		return name, m, nil
	}
	if err := m.setOptions(mode); err != nil {
		return "", m, err
	}
	if m.NoCopy || m.Propagation != "" {
		return "", m, fmt.Errorf("invalid mode for volumes-from: %s", mode)
	}
	return name, m, nil
}

// parseSwitch reads the value of a key that is true when it stands alone.
func parseSwitch(key, value string, hasValue bool) (bool, error) {
	if !hasValue {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("invalid value for %s: %s", key, value)
	}
	return on, nil
}

// ParseUlimit reads the value of --ulimit: NAME=SOFT[:HARD].
func ParseUlimit(s string) (Ulimit, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return Ulimit{}, fmt.Errorf("invalid ulimit argument: %s", s)
	}
	u := Ulimit{Name: name}
	if _, known := step.RlimitNumber(name); !known {
		return u, fmt.Errorf("invalid ulimit type: %s", name)
	}
	soft, hard, two := strings.Cut(value, ":")
	if !two {
		hard = soft
	}
	var err1, err2 error
	u.Soft, err1 = strconv.ParseInt(soft, 10, 64)
	u.Hard, err2 = strconv.ParseInt(hard, 10, 64)
	if err1 != nil || err2 != nil || u.Soft < -1 || u.Hard < -1 {
		return u, fmt.Errorf("invalid ulimit value: %s", s)
	}
	if u.Hard != -1 && (u.Soft == -1 || u.Soft > u.Hard) {
		return u, fmt.Errorf("ulimit soft limit must be less than or equal to hard limit: %d > %d", u.Soft, u.Hard)
	}
	return u, nil
}
