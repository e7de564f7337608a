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
// a new shell that reads on from standard input.
func (p Plan) Print(w io.Writer) error {
	var b strings.Builder
	var c chain
	for i, g := range p {
		if len(g.Steps) > 0 && !isWrapper(g.Steps[0]) {
			c.end(&b)
		}
		if i > 0 {
			b.WriteString("\n")
		}
		why := g.Why
		if g.Man != "" {
			why += " See " + g.Man + "."
		}
		for _, line := range wrap(why, 76) {
			b.WriteString("# " + line + "\n")
		}
		for _, s := range g.Steps {
			if isWrapper(s) {
				c = append(c, s)
				if _, ok := s.(Exec); ok {
					c.end(&b)
				}
				continue
			}
			c.end(&b)
			b.WriteString(s.Shell() + "\n")
		}
	}
	c.end(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// isWrapper reports whether a step is printed as a prefix of a command, or is
// the command.
func isWrapper(s Step) bool { _, ok := s.(interface{ wraps() }); return ok }

// chain is a run of wrappers.
type chain []Step

// end writes the command that the chain is, if any, and empties it.
func (c *chain) end(b *strings.Builder) {
	var lines []string
	var given []string // the first options of the setpriv that is the last line
	for _, s := range *c {
		privileges, ok := s.(interface{ setpriv() string })
		if !ok {
			lines, given = append(lines, s.Shell()), nil
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
	if len(lines) == 0 {
		return
	}
	if _, ok := (*c)[len(*c)-1].(Exec); !ok {
		lines = append(lines, "/bin/sh -s")
	}
	b.WriteString("exec " + strings.Join(lines, " \\\n  ") + "\n")
	*c = nil
}

// wrap breaks text at spaces into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	var line string
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
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
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_", r)
	}) < 0
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
