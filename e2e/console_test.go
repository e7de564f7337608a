package e2e

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// chapter is a page of the tutorial as its test sees it. The page's conventions
// are told in docs/tutorial/README.md.
type chapter struct {
	blocks   []block
	headings []string // of the second level
	words    int      // outside of blocks
	emptyRun bool     // it starts without images
}

// block is a fenced block: "console" holds commands that are run and what they
// print, "sh" docker's commands, "text" a drawing.
type block struct {
	kind     string
	line     int
	needs    string // "cgroup-v1", "cgroup-v2" or nothing
	soon     bool   // its command is run again until it prints what it should
	commands []command
}

// command is what stands behind a prompt, and the lines that it should print.
type command struct {
	line   int
	text   string
	output []string
}

var (
	directive = regexp.MustCompile(`^<!-- test: (.+) -->$`)
	prompt    = regexp.MustCompile(`^(?:[a-z]+)?\$ (.*)$`)
)

// parseChapter reads a page of Markdown. What it doesn't know is an error, so that
// no block is left out by a slip of the pen.
func parseChapter(r io.Reader) (*chapter, error) {
	c := new(chapter)
	var open *block
	var next block // what has been said of the block to come
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			switch fence {
			case "console", "sh", "text":
			default:
				return nil, fmt.Errorf("line %d: a block is console, sh or text, not %q", n, fence)
			}
			next.kind, next.line = fence, n
			started := next
			open, next = &started, block{}
		case isFence:
			if open.soon && len(open.commands) != 1 {
				return nil, fmt.Errorf("line %d: only a single command can be typed again", open.line)
			}
			c.blocks = append(c.blocks, *open)
			open = nil
		case open != nil:
			if err := open.add(n, line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		case directive.MatchString(line):
			switch word := directive.FindStringSubmatch(line)[1]; word {
			case "cgroup-v1", "cgroup-v2":
				next.needs = word
			case "soon":
				next.soon = true
			case "no images":
				c.emptyRun = true
			default:
				return nil, fmt.Errorf("line %d: unknown word to the test: %q", n, word)
			}
		default:
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				c.headings = append(c.headings, heading)
			}
			c.words += len(strings.Fields(line))
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block has no end", open.line)
	}
	return c, lines.Err()
}

func (b *block) add(n int, line string) error {
	switch b.kind {
	case "text":
		return nil
	case "sh":
		if !strings.HasPrefix(line, "docker ") {
			return fmt.Errorf("a block of docker's commands, which are not run, has %q", line)
		}
		return nil
	}
	if typed := prompt.FindStringSubmatch(line); typed != nil {
		b.commands = append(b.commands, command{line: n, text: typed[1]})
		return nil
	}
	if len(b.commands) == 0 {
		return fmt.Errorf("output before a command: %q", line)
	}
	last := &b.commands[len(b.commands)-1]
	if more, ok := strings.CutPrefix(line, "> "); ok && len(last.output) == 0 {
		last.text += "\n" + more
	} else {
		last.output = append(last.output, line)
	}
	return nil
}

// varies is what is another each time, or on each machine: where the text has
// something of this form, the output has something of the same form.
var varies = []*regexp.Regexp{
	regexp.MustCompile(`…`), // anything
	regexp.MustCompile(`\b[0-9a-f]{64}\b`),
	regexp.MustCompile(`\b[0-9a-f]{24}\b`),                                         // a layer's directory
	regexp.MustCompile(`\b[0-9a-f]{12}\b`),                                         // a short id
	regexp.MustCompile(`  +`),                                                      // between columns
	regexp.MustCompile(`\[\d{10}\]`),                                               // a namespace
	regexp.MustCompile(`\b[A-Z][a-z]{2} +\d{1,2} +\d\d:\d\d\b`),                    // a time of ls -l
	regexp.MustCompile(`\b(?:\d+|About an?|Less than a) [a-z]+(?: [a-z]+)? ago\b`), // a time of ps
}

// matches reports whether output is what the text shows. A line that is nothing
// but … stands for any number of lines. Spaces at the end of a line and empty
// lines at the end of all count for nothing.
func matches(text []string, output string) bool {
	var re strings.Builder
	re.WriteString(`\A`)
	for _, line := range text {
		if line == "…" {
			re.WriteString(`(?:.*\n)*?`)
			continue
		}
		re.WriteString(pattern(strings.TrimRight(line, " ")) + ` *\n`)
	}
	re.WriteString(`\z`)
	if output = strings.TrimRight(output, "\n"); output != "" {
		output += "\n"
	}
	return regexp.MustCompile(re.String()).MatchString(output)
}

// right is how many lines of the text are as printed.
func right(text []string, output string) int {
	n := 0
	for i := range text {
		if matches(append(slices.Clone(text[:i+1]), "…"), output) {
			n = i + 1
		}
	}
	return n
}

// pattern is a line as a regular expression.
func pattern(line string) string {
	for i, form := range varies {
		at := form.FindStringIndex(line)
		if at == nil {
			continue
		}
		same := form.String()
		if i == 0 {
			same = ".*"
		}
		return pattern(line[:at[0]]) + same + pattern(line[at[1]:])
	}
	return regexp.QuoteMeta(line)
}

func TestWhatIsPrintedHasToBeWhatTheTextSays(t *testing.T) {
	for _, tc := range []struct {
		text, printed string
		same          bool
	}{
		{"", "", true},
		{"", "something\n", false},
		{"hello", "hello\n", true},
		{"hello", "hello", true},
		{"hello", "hello\nworld\n", false},
		{"hello\nworld", "hello\n", false},
		{"a.c", "abc\n", false},
		{"he…o", "hello\n", true},
		{"he…o", "hel\no\n", false},
		{"…\nlast", "first\nmiddle\nlast\n", true},
		{"…\nlast", "last\n", true},
		{"…\nlast", "last\nafter\n", false},
		{"first\n…", "first\n", true},
		{"column", "column  \n\n", true},
		{"one   two", "one  two\n", true},
		{"one   two", "one two\n", false},
		{"b4ab2d87513b: Pull complete", "0123456789ab: Pull complete\n", true},
		{"b4ab2d87513b: Pull complete", "0123456789a: Pull complete\n", false},
		{"uts:[4026531838]", "uts:[4026532900]\n", true},
		{"uts:[4026531838]", "pid:[4026531836]\n", false},
		{"3 seconds ago", "About a minute ago\n", true},
		{"Nov 23 21:37 story", "Jan  2 03:04 story\n", true},
	} {
		var text []string
		if tc.text != "" {
			text = strings.Split(tc.text, "\n")
		}
		if got := matches(text, tc.printed); got != tc.same {
			t.Errorf("the text %q, printed %q: the same: %v, want %v", tc.text, tc.printed, got, tc.same)
		}
	}
}

func TestAPageThatCantBeRunIsRefused(t *testing.T) {
	for _, page := range []string{
		"```console\n$ true\n",                                         // no end
		"```bash\n$ true\n```\n",                                       // not a kind of block
		"```console\nhello\n```\n",                                     // output of nothing
		"```sh\ngocker run busybox\n```\n",                             // would not be run
		"<!-- test: cgroup-v3 -->\n",                                   // no such word
		"<!-- test: soon -->\n```console\n$ touch a\n$ touch b\n```\n", // which of them?
	} {
		if _, err := parseChapter(strings.NewReader(page)); err == nil {
			t.Errorf("this page passes:\n%s", page)
		}
	}
}
