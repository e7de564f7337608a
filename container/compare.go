package container

import (
	"fmt"
	"slices"
	"strings"

	"gocker/cgroup"

	"github.com/docker/go-units"
)

// Difference is one thing in which two containers differ. Where a side does not
// have it at all its text is "".
type Difference struct {
	Part string // "namespaces", "limits", …
	What string // "net", "memory", "/data"
	A, B string
}

// fact is one thing that is told of a container. A name may have several texts.
type fact struct{ name, text string }

// compared are the parts, in the order in which they are told.
var compared = []struct {
	name  string
	facts func(*View) []fact
}{
	{"command", (*View).commandFacts},
	{"namespaces", (*View).namespaceFacts},
	{"root", (*View).rootFacts},
	{"limits", (*View).limitFacts},
	{"mounts", (*View).mountFacts},
	{"privileges", (*View).privilegeFacts},
	{"network", (*View).networkFacts},
}

// Compare returns what differs between two views, part by part. Both should be
// of one kind, of living containers or of foreseen ones: the kernel tells more
// of a mount than it was asked for. What is never the same in two containers is
// not compared: numbers of processes and namespaces, use, and the ID, also
// where it is in a path.
func Compare(a, b *View) []Difference {
	var all []Difference
	for _, part := range compared {
		left, right := part.facts(a), part.facts(b)
		for _, f := range left {
			if slices.Contains(right, f) {
				continue
			}
			d := Difference{Part: part.name, What: f.name, A: f.text}
			// The other side's answer to the same, unless it is said already.
			i := slices.IndexFunc(right, func(g fact) bool { return g.name == f.name && !slices.Contains(left, g) })
			if i >= 0 {
				d.B = right[i].text
				right = slices.Delete(slices.Clone(right), i, i+1)
			}
			all = append(all, d)
		}
		for _, f := range right {
			if !slices.Contains(left, f) {
				all = append(all, Difference{Part: part.name, What: f.name, B: f.text})
			}
		}
	}
	return all
}

// anonymous takes the container's ID out of a text.
func (v *View) anonymous(text string) string {
	return strings.NewReplacer(v.id, "<id>", v.id[:12], "<id>").Replace(text)
}

func (v *View) commandFacts() []fact {
	c := v.Command
	facts := []fact{
		{"image", v.Image},
		{"command", strings.Join(c.Args, " ")},
		{"directory", c.Cwd},
		{"host name", v.anonymous(c.Hostname)},
	}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		facts = append(facts, fact{"$" + name, v.anonymous(value)})
	}
	for _, l := range c.Limits {
		name, value, _ := strings.Cut(l, " ")
		facts = append(facts, fact{"ulimit " + name, value})
	}
	return facts
}

// namespaceWalls are the names in [Walls] of types of namespaces.
var namespaceWalls = map[string]string{
	"cgroup": wallCgroup, "ipc": wallIPC, "mnt": wallMount, "net": wallNet, "pid": wallPID, "uts": wallUTS,
}

func (v *View) namespaceFacts() []fact {
	var facts []fact
	for _, n := range v.Namespaces {
		text := "its own"
		if n.Shared {
			text = "the host's"
			for _, w := range Walls {
				if w.Name == namespaceWalls[n.Type] {
					text += ": the container " + w.Reach
				}
			}
		}
		facts = append(facts, fact{n.Type, text})
	}
	return facts
}

func (v *View) rootFacts() []fact {
	access := "the container can write to it"
	if v.Root.ReadOnly {
		access = "read-only"
	}
	facts := []fact{{"filesystem", v.Root.Type}, {"access", access}}
	for _, l := range v.Root.Layers {
		switch {
		case l.ChainID != "":
			facts = append(facts, fact{"layer", fmt.Sprintf("%s (%s)", l.ChainID[:min(19, len(l.ChainID))], units.HumanSize(float64(l.Size)))})
		case !l.Writable:
			facts = append(facts, fact{"directory", v.anonymous(l.Dir)})
		}
	}
	return facts
}

// limitFacts has a line for every limit that there is, also where it is not
// set: what a foreseen container does not set is not in its files.
func (v *View) limitFacts() []fact {
	var facts []fact
	for _, what := range []string{"memory", "memory+swap", "swap", "memory reservation", "CPU", "CPU weight", "CPUs allowed", "processes"} {
		text := "not set"
		for _, p := range v.Cgroups {
			for _, f := range p.Files {
				if f.What == what && f.Kind == cgroup.Limit && !f.Unlimited {
					text = f.Meaning() + "   (" + f.Name + ")"
				}
			}
		}
		facts = append(facts, fact{what, text})
	}
	return facts
}

func (v *View) mountFacts() []fact {
	var facts []fact
	for _, m := range v.Mounts {
		if m.Target != "/" { // told as the root
			words := slices.DeleteFunc([]string{m.Type, m.Source, m.Options}, func(s string) bool { return s == "" })
			facts = append(facts, fact{m.Target, v.anonymous(strings.Join(words, "   "))})
		}
	}
	return facts
}

func (v *View) privilegeFacts() []fact {
	p := v.Privileges
	facts := []fact{
		{"user", fmt.Sprintf("%d, group %d", p.UID, p.GID)},
		{"groups", strings.Trim(fmt.Sprint(p.Groups), "[]")},
		{"no new privileges", fmt.Sprint(p.NoNewPrivs)},
		{"seccomp", p.Seccomp},
	}
	in := map[string][]string{}
	var names []string
	for _, set := range []struct {
		name string
		caps []string
	}{
		{"effective", p.Effective},
		{"permitted", p.Permitted},
		{"bounding", p.Bounding},
		{"inheritable", p.Inheritable},
		{"ambient", p.Ambient},
	} {
		for _, c := range set.caps {
			if in[c] == nil {
				names = append(names, c)
			}
			in[c] = append(in[c], set.name)
		}
	}
	for _, c := range names {
		facts = append(facts, fact{c, strings.Join(in[c], ", ")})
	}
	return facts
}

func (v *View) networkFacts() []fact {
	facts := []fact{{"network", v.Network.Mode}}
	if v.Network.Shared {
		return facts // the host's interfaces are nobody's difference
	}
	for _, i := range v.Network.Interfaces {
		facts = append(facts, fact{"interface " + i.Name, strings.TrimSpace(i.Kind + " " + strings.Join(i.Addresses, " "))})
	}
	for _, r := range v.Network.Routes {
		facts = append(facts, fact{"route to " + r.To, strings.TrimSpace(r.Device + " " + r.Gateway)})
	}
	return facts
}
