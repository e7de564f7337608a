package cgroup

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Host is what the cgroup mounts of a machine offer to this process.
type Host struct {
	v1 []hierarchy // in the order of mountinfo
	v2 *hierarchy  // nil where cgroup2 is not mounted
}

// hierarchy is one mounted tree of groups.
type hierarchy struct {
	dir         string   // mount point
	root        string   // the group that the mount shows at its top
	controllers []string // version 1: also "name=systemd" and its like
	options     []string // version 1: those that mount(8) must repeat
	self        string   // the directory of this process's group
}

func (h *hierarchy) has(controller string) bool { return slices.Contains(h.controllers, controller) }

// Open probes the mounts and groups of the calling process.
func Open() (*Host, error) {
	mountinfo, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mountinfo.Close()
	self, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	return Probe(mountinfo, self)
}

// Probe makes a Host from the text of /proc/self/mountinfo and
// /proc/self/cgroup, and from the cgroup.controllers at the top of the cgroup2
// mount, if there is one. A host without any cgroup mount is no error: it can
// have no limits. See proc_pid_mountinfo(5) and cgroups(7).
func Probe(mountinfo, selfCgroup io.Reader) (*Host, error) {
	own, err := parseSelf(selfCgroup)
	if err != nil {
		return nil, fmt.Errorf("read the groups of this process: %w", err)
	}
	// The kernel makes the text anew for each read: few are better.
	var text bytes.Buffer
	text.Grow(16 << 10)
	if _, err := text.ReadFrom(mountinfo); err != nil {
		return nil, fmt.Errorf("read the cgroup mounts: %w", err)
	}
	host := new(Host)
	for line := range strings.Lines(text.String()) {
		if !strings.Contains(line, " - cgroup") {
			continue
		}
		m, err := parseMount(line)
		if err != nil {
			return nil, fmt.Errorf("read the cgroup mounts: %w", err)
		}
		host.add(m, own)
	}
	if host.v2 != nil {
		data, err := os.ReadFile(filepath.Join(host.v2.dir, "cgroup.controllers"))
		if err != nil {
			return nil, fmt.Errorf("read the controllers of cgroup2: %w", err)
		}
		host.v2.controllers = strings.Fields(string(data))
	}
	return host, nil
}

// membership is a line of /proc/self/cgroup.
type membership struct {
	controllers []string // empty for version 2
	path        string
}

func parseSelf(r io.Reader) ([]membership, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var own []membership
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("line %q has not three fields", line)
		}
		m := membership{path: f[2]}
		if f[1] != "" {
			m.controllers = strings.Split(f[1], ",")
		}
		own = append(own, m)
	}
	return own, nil
}

// mount is a line of mountinfo.
type mount struct{ fstype, root, dir, options string }

func parseMount(line string) (mount, error) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 6 || len(r) < 3 {
		return mount{}, fmt.Errorf("line %q has too few fields", line)
	}
	return mount{fstype: r[0], root: Unescape(l[3]), dir: Unescape(l[4]), options: r[2]}, nil
}

// Unescape undoes mountinfo's octal escapes of space, tab, newline and
// backslash.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// add takes a mount into the host. Of several mounts of one hierarchy it keeps
// the one that shows most of it.
func (h *Host) add(m mount, own []membership) {
	options := strings.Split(m.options, ",")
	for _, o := range own {
		switch {
		case m.fstype == "cgroup2" && len(o.controllers) == 0:
			if h.v2 == nil || len(m.root) < len(h.v2.root) {
				h.v2 = &hierarchy{dir: m.dir, root: m.root, self: below(m, o.path)}
			}
			return
		case m.fstype == "cgroup" && len(o.controllers) > 0 && slices.Contains(options, o.controllers[0]):
			t := hierarchy{dir: m.dir, root: m.root, controllers: o.controllers, self: below(m, o.path)}
			for _, word := range options {
				if slices.Contains(o.controllers, word) || slices.Contains(repeated, word) {
					t.options = append(t.options, word)
				}
			}
			same := func(x hierarchy) bool { return x.has(o.controllers[0]) }
			if i := slices.IndexFunc(h.v1, same); i < 0 {
				h.v1 = append(h.v1, t)
			} else if len(m.root) < len(h.v1[i].root) {
				h.v1[i] = t
			}
			return
		}
	}
}

// repeated are the options of a version 1 hierarchy that a further mount of it
// must name again, or the kernel logs a complaint.
var repeated = []string{"xattr", "noprefix", "clone_children", "cpuset_v2_mode"}

// below returns the directory of a group as the mount shows it, the top of the
// mount where the group lies outside of it.
func below(m mount, group string) string {
	if m.root == "/" {
		return filepath.Join(m.dir, group)
	}
	if rest, ok := strings.CutPrefix(group, m.root); ok && (rest == "" || rest[0] == '/') {
		return filepath.Join(m.dir, rest)
	}
	return m.dir
}

// find returns the hierarchy of a controller, nil where the host has none.
func (h *Host) find(controller string) (t *hierarchy, v2 bool) {
	for i := range h.v1 {
		if h.v1[i].has(controller) {
			return &h.v1[i], false
		}
	}
	if h.v2 != nil && h.v2.has(controller) {
		return h.v2, true
	}
	return nil, false
}

// missing says why the host lacks a controller and what can be done about it.
func (h *Host) missing(controller string) error {
	advice := "the kernel was built without it, or booted with cgroup_disable=" + controller
	switch {
	case h.v2 == nil && len(h.v1) == 0:
		return fmt.Errorf("controller %s is not available on this host: no cgroup filesystem is mounted (mount -t cgroup2 cgroup2 /sys/fs/cgroup)", controller)
	case controller == "memory":
		advice = "enable it with cgroup_enable=memory on the kernel's command line"
	case len(h.v1) > 0:
		dir := filepath.Join(filepath.Dir(h.v1[0].dir), controller)
		advice = fmt.Sprintf("mkdir %[2]s && mount -t cgroup -o %[1]s %[1]s %[2]s", controller, dir)
	}
	var where []string
	if len(h.v1) > 0 {
		where = append(where, "not mounted as version 1")
	}
	if h.v2 != nil {
		where = append(where, "not in "+filepath.Join(h.v2.dir, "cgroup.controllers"))
	}
	return fmt.Errorf("controller %s is not available on this host: %s (%s)", controller, strings.Join(where, ", "), advice)
}

// SwapLimit reports whether a memory+swap limit can be had.
func (h *Host) SwapLimit() bool {
	t, v2 := h.find("memory")
	switch {
	case t == nil:
		return false
	case !v2:
		return exists(filepath.Join(t.dir, "memory.memsw.limit_in_bytes"))
	}
	// The top of version 2 has no limits' files: any group with the memory
	// controller shows which ones the kernel makes.
	shows := func(dir string) bool { return exists(filepath.Join(dir, "memory.max")) }
	dir := t.self
	if !shows(dir) {
		entries, err := os.ReadDir(t.dir)
		if err != nil {
			return false
		}
		i := slices.IndexFunc(entries, func(e os.DirEntry) bool {
			return e.IsDir() && shows(filepath.Join(t.dir, e.Name()))
		})
		if i < 0 {
			return true // nothing to see: the write will tell
		}
		dir = filepath.Join(t.dir, entries[i].Name())
	}
	return exists(filepath.Join(dir, "memory.swap.max"))
}

// HasV1 reports whether a controller is there as version 1 and has a file, for
// limits of which version 2 has none.
func (h *Host) HasV1(controller, file string) bool {
	t, v2 := h.find(controller)
	return t != nil && !v2 && exists(filepath.Join(t.dir, file))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
