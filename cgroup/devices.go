package cgroup

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

// deviceFilter says which devices a group may use: all but some, or none but
// some. Both versions can hold no more than that, so that they agree.
type deviceFilter struct {
	allow  bool // what happens to a device that is no exception
	except []device
}

// device is a set of device nodes and of what may be done with them.
type device struct {
	kind         byte  // 'b' or 'c'
	major, minor int64 // anyNumber for all
	access       access
}

const anyNumber = -1

// access is a set of the kernel's BPF_DEVCG_ACC_ bits.
type access uint32

const (
	accessMknod access = 1 << iota
	accessRead
	accessWrite
	accessAll = accessMknod | accessRead | accessWrite
)

// newDeviceFilter folds rules, of which a later one wins, into a filter. Before
// the first rule nothing is allowed, as with runc and crun; without any rule
// everything is. It is an error when a rule takes back a part of another that
// can't be cut out of it. See config-linux.md, "Allowed Device list".
func newDeviceFilter(rules []specs.LinuxDeviceCgroup) (deviceFilter, error) {
	f := deviceFilter{allow: len(rules) == 0}
	for i, r := range rules {
		if err := f.add(r); err != nil {
			return f, fmt.Errorf("device rule %d: %w", i+1, err)
		}
	}
	return f, nil
}

func (f *deviceFilter) add(r specs.LinuxDeviceCgroup) error {
	acc, err := parseAccess(r.Access)
	if err != nil {
		return err
	}
	d := device{access: acc}
	if d.major, err = parseNumber(r.Major, 1<<12); err != nil {
		return fmt.Errorf("major: %w", err)
	}
	if d.minor, err = parseNumber(r.Minor, 1<<20); err != nil {
		return fmt.Errorf("minor: %w", err)
	}
	kinds := r.Type
	switch r.Type {
	case "b", "c":
	case "u":
		kinds = "c" // unbuffered is another word for it
	case "", "a":
		if d.major == anyNumber && d.minor == anyNumber && acc == accessAll {
			*f = deviceFilter{allow: r.Allow}
			return nil
		}
		kinds = "bc"
	default:
		return fmt.Errorf("type %q is none of a, b, c", r.Type)
	}
	for _, kind := range []byte(kinds) {
		d.kind = kind
		if r.Allow == f.allow {
			err = f.takeBack(d)
		} else {
			f.merge(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// merge adds an exception.
func (f *deviceFilter) merge(d device) {
	for i := range f.except {
		if f.except[i].sameNodes(d) {
			f.except[i].access |= d.access
			return
		}
	}
	f.except = append(f.except, d)
}

// takeBack removes an exception, or some of its access.
func (f *deviceFilter) takeBack(d device) error {
	for i := range f.except {
		e := &f.except[i]
		switch {
		case e.access&d.access == 0 || !e.overlaps(d):
		case d.covers(*e):
			e.access &^= d.access
		default:
			return fmt.Errorf("%v takes back a part of %v, which a device filter can't express", d, *e)
		}
	}
	f.except = slices.DeleteFunc(f.except, func(e device) bool { return e.access == 0 })
	return nil
}

func (d device) sameNodes(e device) bool {
	return d.kind == e.kind && d.major == e.major && d.minor == e.minor
}

// covers reports whether d has all nodes of e.
func (d device) covers(e device) bool {
	return d.kind == e.kind && (d.major == anyNumber || d.major == e.major) && (d.minor == anyNumber || d.minor == e.minor)
}

func (d device) overlaps(e device) bool {
	meet := func(a, b int64) bool { return a == anyNumber || b == anyNumber || a == b }
	return d.kind == e.kind && meet(d.major, e.major) && meet(d.minor, e.minor)
}

// permits is what the kernel answers to a request, which may be for several
// kinds of access at once: one exception must allow them all, and one that
// denies any of them is enough.
func (f deviceFilter) permits(request device) bool {
	for _, e := range f.except {
		if !e.covers(request) {
			continue
		}
		if f.allow && e.access&request.access != 0 {
			return false
		}
		if !f.allow && request.access&^e.access == 0 {
			return true
		}
	}
	return f.allow
}

// String returns the device as devices.allow of version 1 takes it.
func (d device) String() string {
	number := func(n int64) string {
		if n == anyNumber {
			return "*"
		}
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%c %s:%s %v", d.kind, number(d.major), number(d.minor), d.access)
}

func (a access) String() string {
	s := ""
	for _, b := range []struct {
		bit  access
		word string
	}{{accessRead, "r"}, {accessWrite, "w"}, {accessMknod, "m"}} {
		if a&b.bit != 0 {
			s += b.word
		}
	}
	return s
}

func parseAccess(s string) (a access, err error) {
	for _, c := range s {
		switch c {
		case 'r':
			a |= accessRead
		case 'w':
			a |= accessWrite
		case 'm':
			a |= accessMknod
		default:
			return 0, fmt.Errorf("access %q has letters other than r, w, m", s)
		}
	}
	if a == 0 {
		return 0, errors.New("no access given")
	}
	return a, nil
}

// parseNumber takes nil and negative numbers as any. The bounds are those of
// the kernel's dev_t.
func parseNumber(n *int64, bound int64) (int64, error) {
	switch {
	case n == nil || *n < 0:
		return anyNumber, nil
	case *n >= bound:
		return 0, fmt.Errorf("%d is not below %d", *n, bound)
	}
	return *n, nil
}

// rules returns the filter in the form of [DeviceFilter].
func (f deviceFilter) rules() []string {
	var rules []string
	if f.allow {
		rules = append(rules, "a")
	}
	for _, e := range f.except {
		if f.allow {
			rules = append(rules, "!"+e.String())
		} else {
			rules = append(rules, e.String())
		}
	}
	return rules
}

// parseRule is the inverse of an element of rules.
func parseRule(s string) (specs.LinuxDeviceCgroup, error) {
	rule := specs.LinuxDeviceCgroup{Allow: true}
	rest, deny := strings.CutPrefix(s, "!")
	rule.Allow = !deny
	if rest == "a" {
		rule.Access = "rwm"
		return rule, nil
	}
	f := strings.Fields(rest)
	if len(f) != 3 {
		return rule, fmt.Errorf("device rule %q: not of the form 'c 1:3 rwm'", s)
	}
	major, minor, ok := strings.Cut(f[1], ":")
	if !ok {
		return rule, fmt.Errorf("device rule %q: %q is not MAJOR:MINOR", s, f[1])
	}
	rule.Type, rule.Access = f[0], f[2]
	for _, n := range []struct {
		text string
		to   **int64
	}{{major, &rule.Major}, {minor, &rule.Minor}} {
		if n.text == "*" {
			continue
		}
		v, err := strconv.ParseUint(n.text, 10, 32)
		if err != nil {
			return rule, fmt.Errorf("device rule %q: %q is not a number", s, n.text)
		}
		*n.to = new(int64(v))
	}
	return rule, nil
}

// devices plans the filter: files of version 1, a program of version 2.
func (g *Group) devices(rules []specs.LinuxDeviceCgroup) (step.Group, error) {
	s := step.Group{
		Why: "Which devices may be opened and made, whatever the permissions of their nodes say.",
		Man: "Documentation/admin-guide/cgroup-v1/devices.rst",
	}
	f, err := newDeviceFilter(rules)
	if err != nil || f.allow && len(f.except) == 0 {
		return s, err
	}
	if t, v2 := g.host.find("devices"); t != nil && !v2 {
		file := "devices.allow"
		if f.allow {
			file = "devices.deny"
		} else {
			s.Steps = append(s.Steps, step.Write{Path: filepath.Join(g.dir(t), "devices.deny"), Data: "a"})
		}
		for _, e := range f.except {
			s.Steps = append(s.Steps, step.Write{Path: filepath.Join(g.dir(t), file), Data: e.String()})
		}
		return s, nil
	}
	if g.host.v2 == nil {
		return s, fmt.Errorf("device rules: %w", g.host.missing("devices"))
	}
	s.Man = "bpf(2)"
	s.Steps = append(s.Steps, DeviceFilter{Dir: g.V2Dir(), Rules: f.rules()})
	return s, nil
}
