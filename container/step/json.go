package step

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
)

// printedGroup is a group of steps as data.
type printedGroup struct {
	Part  string // "host", "clone", "inside" or "end"
	Why   string
	Man   string `json:",omitempty"`
	Steps []printedStep
}

// printedStep is a step as data. Arguments are the fields of its Go type, with
// flags as words; Undo is null where nothing has to be taken back.
type printedStep struct {
	Step      string
	Arguments Step
	Shell     string
	Undo      *printedStep
}

// PrintJSON writes the same as [Script.Print] as data: an array of groups in the
// order in which they are done. What belongs to sh alone is left out.
func (s *Script) PrintJSON(w io.Writer) error {
	groups := []printedGroup{}
	add := func(part string, p Plan) {
		for _, g := range p {
			steps := []printedStep{}
			for _, st := range g.Steps {
				steps = append(steps, *printed(st, part == "host"))
			}
			groups = append(groups, printedGroup{Part: part, Why: g.Why, Man: g.Man, Steps: steps})
		}
	}
	add("host", s.Host)
	if s.Clone != nil {
		add("clone", Plan{{Why: whyClone, Man: "clone(2), namespaces(7)", Steps: []Step{*s.Clone}}})
	}
	add("inside", s.Inside)
	add("end", s.End)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(groups)
}

// printed is a step as data. What is done inside a process ends with its
// namespaces: only the host's steps are undone.
func printed(s Step, undone bool) *printedStep {
	name := reflect.TypeOf(s).Name()
	p := &printedStep{Step: strings.ToUpper(name[:1]) + name[1:], Arguments: s, Shell: s.Shell()}
	if back := s.Undo(); undone && back != nil {
		p.Undo = printed(back, false)
	}
	return p
}

// MarshalJSON has the options in the words of mount(8).
func (s Mount) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Source, Target, Type string   `json:",omitempty"`
		Change               string   `json:",omitempty"`
		Options              []string `json:",omitempty"`
		Data                 string   `json:",omitempty"`
	}{s.Source, s.Target, s.Type, s.change(), optionWords(s.Flags), s.Data})
}

// MarshalJSON has the flags by name.
func (s Unmount) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Target  string
		Options string `json:",omitempty"`
	}{s.Target, s.options()})
}

// MarshalJSON has the namespaces by name.
func (c Clone) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Namespaces []string
		Cgroup     string `json:",omitempty"`
	}{namespaceNames(c.Flags), c.CgroupPath})
}

// MarshalJSON has the namespaces by name.
func (s Unshare) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ Namespaces []string }{namespaceNames(s.Flags)})
}

// MarshalJSON has the capabilities by name.
func (s CapSet) MarshalJSON() ([]byte, error) { return json.Marshal(s.Names()) }

// MarshalJSON leaves out the descriptor, which only a plan that is done has.
func (s MoveMount) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Source, Target string
		Recursive      bool
		ReadOnly       bool
	}{s.Source, s.Target, s.Recursive, s.ReadOnly})
}

// MarshalJSON has the kind as a word.
func (s Mknod) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Path, Type   string
		Major, Minor uint32
		Mode         uint32
	}{s.Path, string(s.Type), s.Major, s.Minor, s.Mode})
}
