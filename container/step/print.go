package step

import (
	"io"
	"slices"
	"strings"
)

// Print writes the plan as sh: for each group a comment that says why, then a
// line a step.
//
// What sh can't do to itself, because only the process that asks is changed, is
// printed as one command: programs such as setpriv(1), each of which changes
// its process and becomes the next one, up to the command itself. Where a plan
// has such a step before others that are not, the rest of the script is left to
// a new shell that reads on from standard input. How a script goes on where
// there are no tools [Script] tells.
func (p Plan) Print(w io.Writer) error {
	pr := &printer{rest: func() string { return "/bin/sh -s" }}
	pr.plan(p)
	_, err := io.WriteString(w, pr.b.String())
	return err
}

// printer writes plans as sh.
type printer struct {
	b       strings.Builder
	colours bool
	gocker  string // this program, where the plan is a part of a [Script]
	// rest is the shell that a chain without a command ends with.
	rest  func() string
	split func() // called after such a chain; nil does nothing
	chain []Step // wrappers that are still to be printed, as one command

	late  []writeFD // what the last command of all has to write
	tools *toolbox  // nil where the host's tools can be reached
}

// The colours of a terminal, by their numbers in console_codes(4): reasons stay
// in the background, commands catch the eye.
const (
	colourComment = "\x1b[36m"
	colourCommand = "\x1b[1m"
	colourEnd     = "\x1b[0m"
)

// comment writes text as lines of at most 78 bytes.
func (p *printer) comment(text string) {
	for _, line := range wrap(text, 76) {
		p.open(colourComment)
		p.b.WriteString("# ")
		p.b.WriteString(line)
		p.close()
		p.b.WriteByte('\n')
	}
}

// line writes a command, whose first word is its name.
func (p *printer) line(text string) {
	if p.colours {
		command := strings.TrimLeft(text, " ")
		p.b.WriteString(text[:len(text)-len(command)])
		name, _, _ := strings.Cut(command, " ")
		p.paint(colourCommand, name)
		text = command[len(name):]
	}
	p.b.WriteString(text)
	p.b.WriteByte('\n')
}

func (p *printer) paint(colour, text string) {
	p.open(colour)
	p.b.WriteString(text)
	p.close()
}

func (p *printer) open(colour string) {
	if p.colours {
		p.b.WriteString(colour)
	}
}

func (p *printer) close() {
	if p.colours {
		p.b.WriteString(colourEnd)
	}
}

// plan writes groups, with empty lines between them.
func (p *printer) plan(plan Plan) {
	for i, g := range plan {
		if p.tools == nil && p.leaves(g) {
			p.end()
			p.takeTools(plan[i:])
		}
		if len(g.Steps) > 0 && !p.wraps(g.Steps[0]) {
			p.end()
		}
		if p.b.Len() > 0 {
			p.b.WriteString("\n")
		}
		why := g.Why
		if g.Man != "" {
			why += " See " + g.Man + "."
		}
		p.comment(why)
		p.b.Grow(128 * len(g.Steps))
		for _, s := range g.Steps {
			if p.wraps(s) {
				p.chain = append(p.chain, s)
				if _, ok := s.(Exec); ok {
					p.end()
				}
				continue
			}
			p.end()
			p.step(s)
		}
	}
	p.end()
}

// isWrapper reports whether a step is printed as a prefix of a command, or is
// the command.
func isWrapper(s Step) bool { _, ok := s.(interface{ wraps() }); return ok }

// end writes the command that the chain is, if any, and empties it.
func (p *printer) end() {
	if len(p.chain) == 0 {
		return
	}
	var lines []string
	var given []string // the first options of the setpriv that is the last line
	for _, s := range p.chain {
		privileges, ok := s.(interface{ setpriv() string })
		if !ok {
			lines, given = append(lines, p.prefix(s)), nil
			continue
		}
		options := privileges.setpriv()
		first, _, _ := strings.Cut(options, " ")
		if given == nil || slices.Contains(given, first) { // setpriv takes an option once
			lines, given = append(lines, s.Shell()), nil
		} else if options != "" {
			lines = append(lines, "  "+options)
		}
		given = append(given, first)
	}
	if p.tools != nil {
		lines = append(p.tools.last(p.late), lines...)
	}
	_, complete := p.chain[len(p.chain)-1].(Exec)
	if !complete {
		lines = append(lines, p.rest())
	}
	p.chain = nil
	p.paint(colourCommand, "exec")
	p.b.WriteString(" ")
	for i, line := range lines {
		if i > 0 {
			p.b.WriteString("  ")
		}
		if i < len(lines)-1 {
			line += " \\"
		}
		p.line(line)
	}
	if !complete && p.split != nil {
		p.split()
	}
}

// wrap breaks text at spaces into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	for text != "" {
		end := len(text)
		if end > width {
			if end = strings.LastIndexByte(text[:width+1], ' '); end < 0 {
				end = strings.IndexByte(text, ' ') // a word that is longer than a line
			}
			if end < 0 {
				end = len(text)
			}
		}
		lines = append(lines, text[:end])
		text = strings.TrimLeft(text[end:], " ")
	}
	return lines
}

// operand returns a path as one word of sh that no tool takes for an option.
func operand(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return Quote(path)
}

// endOptions returns the "-- " that has to stand before words of which one
// begins as an option does.
func endOptions(words ...string) string {
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			return "-- "
		}
	}
	return ""
}

// Quote returns s as one word of sh.
func Quote(s string) string {
	plain := s != ""
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || strings.IndexByte("%+,-./:=@_", c) >= 0
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
