package step

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// toolbox is how a script does the steps that come when the host's root is gone.
//
// No path leads to a tool then, and the image may have none. The shell runs on,
// but what it executes has to be found: by the working directory, which no change
// of the root takes away. So the shell stays in the directory of gocker, which is
// one static file and needs nothing else; "cd" only notes where gocker is to go
// before a step. Functions with the names of the tools hand the lines to `gocker
// step`, see [Read]. The last command leaves the directory, and with it nothing
// of the host is left in reach.
type toolbox struct {
	program string // gocker, from its directory
	// chroots: the root is changed by chroot(2), which changes that of its own
	// process alone. So the shell stays where it is, and each step goes there.
	chroots bool
	trees   int // mounts that were opened before, see OpenTree
	tail    int // steps until those that all change the process itself
}

// firstTree is the descriptor of the first mount. Shells use 10 to 19 and 255.
const firstTree = 20

// builtins are the words with which a line of the plan begins that sh itself
// understands.
var builtins = []string{"[", "exec", "printf", "umask"}

// leaves reports whether the host's root is out of reach after the group.
func (p *printer) leaves(g Group) bool {
	return p.gocker != "" && slices.ContainsFunc(g.Steps, func(s Step) bool {
		switch s.(type) {
		case PivotRoot, Chroot:
			return true
		}
		return false
	})
}

// takeTools writes what the steps of the rest of the plan need.
func (p *printer) takeTools(rest Plan) {
	steps := rest.Steps()
	p.tools = &toolbox{program: "./" + filepath.Base(p.gocker)}
	for i, s := range steps {
		if _, ok := s.(Chroot); ok {
			p.tools.chroots = true
		} else if !changesItself(s) {
			p.tools.tail = i + 1
		}
	}
	if p.b.Len() > 0 {
		p.b.WriteString("\n")
	}
	p.comment("From here on no path leads to the host's tools, and the image need not have any. This shell is loaded already; what it calls is gocker, one static file, and finds it by the working directory, which it leaves last of all. So cd only notes where gocker goes before a step, and `gocker step mount` makes the request of a line that is written for mount(8).")
	run := "./" + Quote(filepath.Base(p.gocker)) + " step"
	if p.tools.chroots {
		p.comment("chroot(2) would not change this shell's root but that of a program that it calls: it is noted, too.")
		p.line(`at=$PWD root=/`)
		run += ` chroot "$root"`
	} else {
		p.line(`at=$PWD`)
	}
	run += ` env --chdir="$at"`
	p.line(Chdir{Path: filepath.Dir(p.gocker)}.Shell())
	p.line(`cd() { at=$1; }`)
	if p.tools.chroots {
		p.line(`chroot() { root=$at at=/; }`)
	}
	var names []string
	for _, s := range steps[:p.tools.tail] {
		name, _, _ := strings.Cut(p.text(s), " ")
		if !slices.Contains(names, name) && !slices.Contains(builtins, name) && name != "cd" && name != "chroot" {
			names = append(names, name)
		}
	}
	p.tools.trees = 0 // text has counted them
	slices.Sort(names)
	for _, name := range names {
		p.line(fmt.Sprintf(`%s() { %s %s "$@"; }`, name, run, name))
	}
	p.tools.program = run
}

// wraps reports whether a step is a part of a chain.
func (p *printer) wraps(s Step) bool {
	if p.tools == nil {
		return isWrapper(s)
	}
	if p.tools.tail > 0 {
		return false
	}
	if len(p.chain) > 0 {
		return changesItself(s)
	}
	switch s.(type) {
	case Umask, Chdir: // sh has a word for it
		return false
	}
	return changesItself(s)
}

// changesItself reports whether a step changes nothing but the process that
// does it.
func changesItself(s Step) bool {
	switch s.(type) {
	case Umask, Chdir, Rlimit, CloseFrom, Dup:
		return true
	}
	return isWrapper(s)
}

// step writes a step that is no part of a chain.
func (p *printer) step(s Step) {
	if w, ok := s.(Write); ok && w.Forks && p.gocker != "" && p.tools == nil {
		fd := 7 - len(p.late)
		p.comment("(The programs of this script are processes as well: the limit is written at its end, and here the file is opened.)")
		p.line(fmt.Sprintf("exec %d> %s", fd, operand(w.Path)))
		p.late = append(p.late, writeFD{FD: fd, Data: w.Data})
		return
	}
	p.line(p.text(s))
	if p.tools == nil {
		return
	}
	p.tools.tail--
	if m, ok := s.(Mount); ok && m.Flags&unix.MS_MOVE != 0 && m.Target == "/" {
		p.comment("The root that is moved there lies above the one in which this shell is, and is found as its parent.")
		p.line("at=/..")
	}
}

// text is the line of a step.
func (p *printer) text(s Step) string {
	if p.tools == nil {
		return s.Shell()
	}
	switch s := s.(type) {
	case MoveMount:
		p.tools.trees++
		return fmt.Sprintf("move_mount %d %s # %s", firstTree+p.tools.trees-1, operand(s.Target), strings.ReplaceAll(s.Source, "\n", " "))
	case Write:
		if p.tools.chroots {
			return "write " + operand(s.Path) + " " + Quote(s.Data)
		}
	case Touch:
		if p.tools.chroots {
			return "touch " + operand(s.Path)
		}
	}
	return s.Shell()
}

// Line returns the words after `gocker step` that do a plan which changes nothing
// but the process that does it, and ends in an [Exec].
func (p Plan) Line() string {
	pr := &printer{tools: new(toolbox)}
	var words []string
	for _, s := range p.Steps() {
		words = append(words, pr.prefix(s))
	}
	return strings.Join(words, " ")
}

// prefix is a step in a chain.
func (p *printer) prefix(s Step) string {
	if p.tools == nil {
		return s.Shell()
	}
	switch s := s.(type) {
	case Umask:
		return s.Shell()
	case Chdir:
		return "env --chdir=" + Quote(s.Path)
	case Rlimit:
		return fmt.Sprintf("prlimit --%s=%s:%s", s.Resource, limitWord(s.Soft), limitWord(s.Hard))
	case CloseFrom:
		return fmt.Sprintf("close_range %d", s.First)
	case Setsid:
		return strings.TrimSuffix(s.Shell(), " --wait")
	}
	return s.Shell()
}

// last returns the first lines of the last command.
func (t *toolbox) last(late []writeFD) []string {
	lines := []string{t.program}
	for _, w := range late {
		lines = append(lines, fmt.Sprintf("write_fd %d %s", w.FD, Quote(w.Data)))
	}
	return lines
}
