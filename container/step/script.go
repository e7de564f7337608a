package step

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Script is plans as one whole that sh can run: as root, on the host, with
// util-linux, iproute2, nftables, coreutils and gocker itself. It is for
// printing; the zero value of a field is left out.
type Script struct {
	Title  string // for the first comment
	Gocker string // absolute path of this program
	Host   Plan   // done by the script's shell

	// Clone makes a process that does Born, what a shell needs to be what the
	// clone is from its birth, and then Inside, of which the last step is an Exec;
	// its exit code is the script's.
	Clone  *Clone
	Born   Plan
	Inside Plan
	Input  bool // the command reads what the script gets as standard input

	End Plan // done by the script's shell when the process has ended
}

// PrintOptions say for whom a script is printed.
type PrintOptions struct {
	Colours bool // a terminal
}

// Print writes the script.
func (s *Script) Print(w io.Writer, o PrintOptions) error {
	host := &printer{colours: o.Colours, gocker: s.Gocker}
	host.plan(s.Host)
	if s.Clone != nil {
		s.clone(host)
	}
	if len(s.End) > 0 {
		host.plan(s.End)
	}
	if s.Clone != nil {
		host.b.WriteString("\n")
		host.line("exit $status")
	}

	head := &printer{colours: o.Colours}
	head.paint(colourComment, "#!/bin/sh")
	head.b.WriteString("\n")
	head.comment(s.Title)
	head.line("set -eu")
	head.line("umask 0022")
	called := &printer{colours: o.Colours}
	called.line("gocker step")
	if strings.Contains(host.b.String(), "\n"+strings.TrimSpace(called.b.String())) {
		head.line(fmt.Sprintf(`gocker() { %s "$@"; }`, Quote(s.Gocker)))
	}
	_, err := io.WriteString(w, head.b.String()+"\n"+host.b.String())
	return err
}

// clone writes the process: an unshare(1) that executes a shell, which reads the
// inside plan as a here-document. A step that changes the process and has others
// after it, such as unshare --cgroup, executes another shell, which has a
// here-document of its own. Descriptors are not inherited by chance: 3 and up are
// the documents, 7 and down what is to be written late, 20 and up mounts.
func (s *Script) clone(host *printer) {
	var parts []string
	inside := &printer{colours: host.colours, gocker: host.gocker, late: host.late}
	inside.rest = func() string { return fmt.Sprintf("/bin/sh -eu /proc/self/fd/%d", 3+len(parts)+1) }
	inside.split = func() {
		parts = append(parts, inside.b.String())
		inside.b.Reset()
	}
	inside.plan(slices.Concat(s.Born, s.Inside))
	parts = append(parts, inside.b.String())

	host.b.WriteString("\n")
	trees := s.trees()
	if len(trees) > 0 {
		host.comment("What is going to be mounted from the host is opened now, while its path can be seen. See open_tree(2).")
		host.b.WriteString("#\n")
	}
	host.comment(whyClone + " See clone(2), namespaces(7).")
	host.line("status=0")
	lines := []string{}
	if len(trees) > 0 {
		lines = append(lines, "gocker step")
		for _, t := range trees {
			lines = append(lines, t.prefix())
		}
	}
	flags := s.Clone.Shell()
	last := flags + " /bin/sh -eu /proc/self/fd/3"
	var ends []string
	for i, part := range parts {
		end := "INSIDE"
		if i < len(parts)-1 {
			end = fmt.Sprintf("PART%d", i+1)
		}
		for strings.Contains("\n"+part, "\n"+end+"\n") {
			end += "_"
		}
		ends = append(ends, end)
		last += fmt.Sprintf(" %d<<'%s'", 3+i, end)
	}
	last += " 8<&-"
	if !s.Input {
		last += " </dev/null"
	}
	lines = append(lines, last+" || status=$?")
	for i, line := range lines {
		if i > 0 {
			line = "  " + line
		}
		if i < len(lines)-1 {
			line += " \\"
		}
		host.line(line)
	}
	for i, part := range parts {
		host.b.WriteString(part)
		host.paint(colourCommand, ends[i])
		host.b.WriteString("\n")
	}
}

const whyClone = "A new process in new namespaces. All that follows, up to the line INSIDE, is done by it."

// trees are the mounts that the inside plan moves in, by the numbers under which
// it is printed to find them.
func (s *Script) trees() []OpenTree {
	var trees []OpenTree
	for _, st := range s.Inside.Steps() {
		if m, ok := st.(MoveMount); ok {
			trees = append(trees, OpenTree{FD: firstTree + len(trees), Source: m.Source, Recursive: m.Recursive, ReadOnly: m.ReadOnly})
		}
	}
	return trees
}
