package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// device is a node of /dev.
type device struct {
	Path         string
	Major, Minor uint32
}

// defaultDevices are the character devices that every container has. See the
// OCI runtime spec, "Default Devices".
var defaultDevices = []device{
	{"/dev/null", 1, 3},
	{"/dev/zero", 1, 5},
	{"/dev/full", 1, 7},
	{"/dev/random", 1, 8},
	{"/dev/urandom", 1, 9},
	{"/dev/tty", 5, 0},
}

// deviceLinks are the names in /dev that lead elsewhere.
var deviceLinks = []struct{ target, path string }{
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
	{"/proc/kcore", "/dev/core"},
	{"pts/ptmx", "/dev/ptmx"},
}

// hostDevices returns the device nodes of the host's /dev, which --privileged
// gives to the container, without those that the container has of its own:
// terminals, shared memory and message queues.
func hostDevices() ([]specs.LinuxDevice, error) {
	own := map[string]bool{"/dev/console": true, "/dev/ptmx": true}
	for _, d := range defaultDevices {
		own[d.Path] = true
	}
	devices, err := devicesBelow("/dev")
	if err != nil {
		return nil, fmt.Errorf("list the host's devices: %w", err)
	}
	return slices.DeleteFunc(devices, func(d specs.LinuxDevice) bool { return own[d.Path] }), nil
}

// devicesBelow returns the device nodes of a directory, without those that are
// each container's own.
func devicesBelow(dir string) ([]specs.LinuxDevice, error) {
	var devices []specs.LinuxDevice
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (path == "/dev/pts" || path == "/dev/shm" || path == "/dev/mqueue" || path == "/dev/fd"):
			return filepath.SkipDir
		case d.Type()&os.ModeDevice == 0:
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		devices = append(devices, deviceNode(path, &st))
		return nil
	})
	return devices, err
}

func deviceNode(path string, st *unix.Stat_t) specs.LinuxDevice {
	kind := "c"
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		kind = "b"
	}
	mode := os.FileMode(st.Mode & 0o777)
	return specs.LinuxDevice{
		Path: path, Type: kind, FileMode: &mode, UID: &st.Uid, GID: &st.Gid,
		Major: int64(unix.Major(uint64(st.Rdev))), Minor: int64(unix.Minor(uint64(st.Rdev))),
	}
}

// askedDevices returns the nodes of --device as they are in the container, and
// what it may do with each.
func (h *HostConfig) askedDevices() (nodes []specs.LinuxDevice, rules []specs.LinuxDeviceCgroup, err error) {
	for _, d := range h.Devices {
		found, err := d.nodes()
		if err != nil {
			return nil, nil, fmt.Errorf("error gathering device information while adding custom device %q: %w", d.PathOnHost, err)
		}
		for _, n := range found {
			if h.Privileged && d.PathInContainer == d.PathOnHost {
				continue // it is there
			}
			n.Path = path.Clean(d.PathInContainer + strings.TrimPrefix(n.Path, d.PathOnHost))
			nodes = append(nodes, n)
			rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: n.Type, Major: &n.Major, Minor: &n.Minor, Access: d.CgroupPermissions})
		}
	}
	for _, text := range h.DeviceCgroupRules {
		rule, err := ParseDeviceRule(text)
		if err != nil {
			return nil, nil, err
		}
		rules = append(rules, rule)
	}
	return nodes, rules, nil
}

// nodes are the device, or those in the directory, by their paths on the host.
func (d DeviceMapping) nodes() ([]specs.LinuxDevice, error) {
	var st unix.Stat_t
	if err := unix.Stat(d.PathOnHost, &st); err != nil {
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		return []specs.LinuxDevice{deviceNode(d.PathOnHost, &st)}, nil
	case unix.S_IFDIR:
		return devicesBelow(d.PathOnHost)
	}
	return nil, errors.New("not a device node")
}

// ParseDevice reads the value of --device: HOST[:CONTAINER][:PERMISSIONS].
func ParseDevice(s string) (DeviceMapping, error) {
	parts := strings.Split(s, ":")
	d := DeviceMapping{PathOnHost: parts[0], CgroupPermissions: "rwm"}
	last := parts[len(parts)-1]
	switch {
	case len(parts) > 3 || parts[0] == "":
		return d, fmt.Errorf("bad format for path: %s", s)
	case len(parts) == 3 && !isDeviceMode(last):
		return d, fmt.Errorf("bad mode specified: %s", last)
	case len(parts) == 3 || len(parts) == 2 && isDeviceMode(last):
		d.CgroupPermissions = last
		parts = parts[:len(parts)-1]
	}
	d.PathInContainer = parts[len(parts)-1]
	if !path.IsAbs(d.PathInContainer) {
		return d, fmt.Errorf("%s is not an absolute path", d.PathInContainer)
	}
	return d, nil
}

// isDeviceMode reports whether a word is of the letters r, w and m, each once.
func isDeviceMode(s string) bool {
	for _, r := range "rwm" {
		s = strings.Replace(s, string(r), "", 1)
	}
	return s == ""
}

// ParseDeviceRule reads the value of --device-cgroup-rule: TYPE MAJOR:MINOR
// PERMISSIONS, where TYPE is a, b or c, and * is any number. See the kernel's
// document "Device Whitelist Controller".
func ParseDeviceRule(s string) (specs.LinuxDeviceCgroup, error) {
	rule := specs.LinuxDeviceCgroup{Allow: true}
	invalid := fmt.Errorf("invalid device cgroup format '%s'", s)
	words := strings.Split(s, " ")
	if len(words) != 3 || !slices.Contains([]string{"a", "b", "c"}, words[0]) || words[2] == "" || !isDeviceMode(words[2]) {
		return rule, invalid
	}
	major, minor, ok := strings.Cut(words[1], ":")
	if !ok {
		return rule, invalid
	}
	rule.Type, rule.Access = words[0], words[2]
	for _, n := range []struct {
		text string
		to   **int64
	}{{major, &rule.Major}, {minor, &rule.Minor}} {
		if n.text == "*" {
			continue // any
		}
		number, err := strconv.ParseUint(n.text, 10, 32)
		if err != nil {
			return rule, invalid
		}
		signed := int64(number)
		*n.to = &signed
	}
	return rule, nil
}
