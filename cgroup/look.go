package cgroup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"gocker/container/step"
)

// Place is the group of a process in one hierarchy, and what its files say.
type Place struct {
	Version     int      // 1 or 2
	Controllers []string // those behind this hierarchy; none for a named one
	Path        string   // as /proc/<pid>/cgroup has it
	Dir         string   // where the host's mounts show it
	Files       []File
}

// File is a file of a group that tells a limit or a use.
type File struct {
	Name string
	Text string // as it is read, without the last newline
	What string // "memory", "memory+swap", "swap", "processes", "CPU", …
	Kind string // Limit, Use, Peak or Event
	// Value is Text as a number: bytes, processes, CPUs (limit) or seconds of
	// CPU time (use), a weight. Lists of CPUs and rules of devices have none.
	Value float64
	// Unlimited says that a limit is not set.
	Unlimited bool
}

// The kinds of files.
const (
	Limit = "limit"
	Use   = "use"
	Peak  = "peak"
	Event = "event"
)

// told are the files that say what a group is limited to and what it uses, by
// controller, in the words of both versions.
var told = []struct {
	controller, what, kind string
	v1, v2                 string
}{
	{"memory", "memory", Limit, "memory.limit_in_bytes", "memory.max"},
	{"memory", "memory", Use, "memory.usage_in_bytes", "memory.current"},
	{"memory", "memory", Peak, "memory.max_usage_in_bytes", "memory.peak"},
	{"memory", "memory reservation", Limit, "memory.soft_limit_in_bytes", "memory.low"},
	{"memory", "memory+swap", Limit, "memory.memsw.limit_in_bytes", ""},
	{"memory", "memory+swap", Use, "memory.memsw.usage_in_bytes", ""},
	{"memory", "swap", Limit, "", "memory.swap.max"},
	{"memory", "swap", Use, "", "memory.swap.current"},
	{"memory", "OOM kills", Event, "memory.oom_control", "memory.events"},
	{"cpu", "CPU", Limit, "cpu.cfs_quota_us", "cpu.max"},
	{"cpu", "CPU period", Limit, "cpu.cfs_period_us", ""},
	{"cpu", "CPU weight", Limit, "cpu.shares", "cpu.weight"},
	{"cpu", "CPU", Use, "", "cpu.stat"},
	{"cpuacct", "CPU", Use, "cpuacct.usage", ""},
	{"cpuset", "CPUs allowed", Limit, "cpuset.cpus", "cpuset.cpus"},
	{"cpuset", "CPUs allowed", Use, "", "cpuset.cpus.effective"},
	{"pids", "processes", Limit, "pids.max", "pids.max"},
	{"pids", "processes", Use, "pids.current", "pids.current"},
	{"devices", "devices", Limit, "devices.list", ""},
}

// Look reads the groups of the process whose /proc/<pid>/cgroup is given, in the
// order of that file. A file that this kernel doesn't have is left out; groups
// that are gone are an error that is fs.ErrNotExist. See cgroups(7).
func (h *Host) Look(procCgroup io.Reader) ([]Place, error) {
	memberships, err := parseSelf(procCgroup)
	if err != nil {
		return nil, fmt.Errorf("read the groups of a process: %w", err)
	}
	var places []Place
	for _, m := range memberships {
		t, version := h.hierarchyOf(m)
		if t == nil {
			continue // not mounted here
		}
		p := Place{
			Version: version, Controllers: withoutNames(m.controllers), Path: m.path,
			Dir: below(mount{root: t.root, dir: t.dir}, m.path),
		}
		if version == 2 {
			if p.Controllers, err = words(filepath.Join(p.Dir, "cgroup.controllers")); err != nil {
				return nil, err
			}
		}
		if p.Files, err = readFiles(p); err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, nil
}

// Limits returns what the plan of the group writes, so what it would be limited
// to, in the form of [Host.Look].
func (g *Group) Limits() []Place {
	var steps []step.Step
	for _, s := range g.plan {
		isDirectory := func(s step.Step) bool { _, is := s.(directory); return is }
		if !slices.ContainsFunc(s.Steps, isDirectory) { // what comes with those is no limit, but inherited
			steps = append(steps, s.Steps...)
		}
	}
	var places []Place
	add := func(t *hierarchy, version int) {
		p := Place{Version: version, Controllers: withoutNames(t.controllers), Path: g.path, Dir: g.dir(t)}
		texts := map[string]string{}
		for _, s := range steps {
			if w, ok := s.(step.Write); ok && filepath.Dir(w.Path) == p.Dir {
				texts[filepath.Base(w.Path)] = w.Data
			}
		}
		p.Files, _ = collect(p, func(name string) (string, error) {
			if text, ok := texts[name]; ok {
				return text, nil
			}
			return "", fs.ErrNotExist
		})
		if len(p.Files) > 0 {
			places = append(places, p)
		}
	}
	for i := range g.host.v1 {
		add(&g.host.v1[i], 1)
	}
	if g.host.v2 != nil {
		add(g.host.v2, 2)
	}
	return places
}

// hierarchyOf finds the mounted tree that a line of /proc/<pid>/cgroup is about.
func (h *Host) hierarchyOf(m membership) (*hierarchy, int) {
	if len(m.controllers) == 0 {
		return h.v2, 2
	}
	for i := range h.v1 {
		if h.v1[i].has(m.controllers[0]) {
			return &h.v1[i], 1
		}
	}
	return nil, 1
}

func withoutNames(controllers []string) []string {
	named := func(c string) bool { return strings.HasPrefix(c, "name=") }
	return slices.DeleteFunc(slices.Clone(controllers), named)
}

func words(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

func readFiles(p Place) ([]File, error) {
	if _, err := os.Stat(p.Dir); err != nil {
		return nil, err
	}
	return collect(p, func(name string) (string, error) {
		b, err := os.ReadFile(filepath.Join(p.Dir, name))
		if errors.Is(err, unix.ENODEV) { // removed while it was open
			err = fs.ErrNotExist
		}
		return strings.TrimSuffix(string(b), "\n"), err
	})
}

// collect returns those of a place's files that read has.
func collect(p Place, read func(name string) (string, error)) ([]File, error) {
	var found []File
	for _, f := range told {
		name := f.v1
		if p.Version == 2 {
			name = f.v2
		}
		if name == "" || !slices.Contains(p.Controllers, f.controller) {
			continue
		}
		text, err := read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		file := File{Name: name, Text: text, What: f.what, Kind: f.kind}
		if err := file.parse(); err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(p.Dir, name), err)
		}
		found = append(found, file)
	}
	return withQuota(found), nil
}

// withQuota divides the quota of version 1 by its period, which is a file of
// its own.
func withQuota(files []File) []File {
	at := func(name string) int {
		return slices.IndexFunc(files, func(f File) bool { return f.Name == name })
	}
	quota, period := at("cpu.cfs_quota_us"), at("cpu.cfs_period_us")
	if quota >= 0 && !files[quota].Unlimited {
		micros := float64(100_000) // the kernel's default
		if period >= 0 {
			micros = files[period].Value
		}
		files[quota].Value /= micros
	}
	return files
}

// parse makes a number of a file's text.
func (f *File) parse() error {
	switch f.Name {
	case "cpuset.cpus", "cpuset.cpus.effective", "devices.list":
		f.Unlimited = f.Text == ""
		return nil
	case "cpu.max":
		quota, period, _ := strings.Cut(f.Text, " ")
		if f.Unlimited = quota == "max"; f.Unlimited {
			return nil
		}
		q, err := strconv.ParseFloat(quota, 64)
		if err != nil {
			return err
		}
		micros, err := strconv.ParseFloat(period, 64)
		f.Value = q / micros
		return err
	case "cpu.stat":
		return f.parseKey("usage_usec", 1e-6)
	case "memory.oom_control", "memory.events":
		return f.parseKey("oom_kill", 1)
	}
	if f.Unlimited = f.Text == "max" || f.Text == "-1"; f.Unlimited {
		return nil
	}
	n, err := strconv.ParseUint(f.Text, 10, 64)
	switch {
	case err != nil:
		return err
	case f.Kind == Limit && n >= unlimited:
		f.Unlimited = true
	case f.Name == "memory.low" && n == 0:
		f.Unlimited = true // nothing is reserved
	case f.Name == "cpuacct.usage":
		f.Value = float64(n) / 1e9
	default:
		f.Value = float64(n)
	}
	return nil
}

// parseKey takes one line of a file of several, in units of the number given.
func (f *File) parseKey(key string, unit float64) error {
	n, err := keyed(strings.NewReader(f.Text), key)
	if err != nil {
		return err
	}
	f.Text, f.Value = fmt.Sprintf("%s %d", key, n), float64(n)*unit
	return nil
}

// Meaning puts what the file says into words: "at most 64MiB".
func (f File) Meaning() string {
	switch {
	case f.Name == "devices.list":
		return fmt.Sprintf("%d rules", len(strings.Split(f.Text, "\n")))
	case f.Unlimited && f.What == "memory reservation":
		return "none"
	case f.Unlimited:
		return "no limit"
	case f.Kind == Peak:
		return "at its highest " + f.amount()
	case f.Kind == Limit && !slices.Contains(noCeiling, f.What):
		return "at most " + f.amount()
	}
	return f.amount()
}

// noCeiling are the limits that are no "at most".
var noCeiling = []string{"CPU weight", "CPU period", "CPUs allowed", "memory reservation"}

// amount is the file's number in units for people.
func (f File) amount() string {
	switch f.What {
	case "memory", "memory+swap", "swap", "memory reservation":
		return units.BytesSize(f.Value)
	case "CPUs allowed":
		return f.Text
	case "CPU period":
		return fmt.Sprintf("%g ms", f.Value/1000)
	case "CPU":
		if f.Kind == Use {
			return fmt.Sprintf("%.3g s so far", f.Value)
		}
		return fmt.Sprintf("%.4g of a CPU", f.Value)
	}
	return fmt.Sprintf("%g", f.Value)
}
