package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"gocker/container/step"
)

// teller prints an experiment as it goes on. The first error of writing stays.
type teller struct {
	out io.Writer
	err error
}

func (t *teller) line(line string) {
	if _, err := fmt.Fprintln(t.out, line); t.err == nil {
		t.err = err
	}
}

// title begins a part.
func (t *teller) title(text string) {
	t.line(text)
	t.line("")
}

// say prints a paragraph, nothing for "".
func (t *teller) say(text string) {
	const width = 76
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			t.line("  " + line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		t.line("  " + line)
		t.line("")
	}
}

// command prints a command as it could be typed.
func (t *teller) command(words []string) {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = step.Quote(w)
	}
	t.line("    $ " + strings.Join(quoted, " "))
}

// Output is cut from so many lines on, and lines from so many runes on.
const (
	manyLines = 12
	manyRunes = 140
)

// output prints what a command has printed. Of much it leaves out what comes
// after the first lines and is not what the step is about.
func (t *teller) output(text string, about *regexp.Regexp) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	left := 0
	gap := func() {
		if left > 0 {
			t.line(fmt.Sprintf("    | … (%d more)", left))
			left = 0
		}
	}
	for i, line := range lines {
		switch {
		case line == "" && len(lines) == 1:
		case len(lines) > manyLines && i >= 3 && (about == nil || !about.MatchString(line)):
			left++
		default:
			gap()
			if runes := []rune(line); len(runes) > manyRunes {
				line = string(runes[:manyRunes-1]) + "…"
			}
			t.line("    | " + line)
		}
	}
	gap()
	t.line("")
}
