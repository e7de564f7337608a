package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updatePage = flag.Bool("update", false, "write docs/docker.md anew")

// verb is a command with its flags, of docker or of gocker.
type verb struct {
	name  string // "docker" for the flags that stand before a command
	flags map[string]verbFlag
}

type verbFlag struct{ shorthand, value string }

// TestDockersPageIsUpToDate makes docs/docker.md of three things: docker's commands,
// as testdata/docker.txt has them; gocker's, as they are; and the differences that
// testdata/differences.txt tells.
func TestDockersPageIsUpToDate(t *testing.T) {
	docker := readFile(t, "testdata/docker.txt", readVerbs)
	told := readFile(t, "testdata/differences.txt", readDifferences)
	page := dockerPage(docker, gockerVerbs(t), told)
	for place, used := range told.used {
		if !used {
			t.Errorf("testdata/differences.txt tells of %q, which there is not", place)
		}
	}
	for _, place := range told.missing {
		t.Errorf("testdata/differences.txt lacks a line on %q, which docker doesn't have", place)
	}
	const path = "../../docs/docker.md"
	if *updatePage {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page {
		t.Errorf("%s is not what the commands say: write it anew (go test ./cmd/gocker -run TestDockersPage -update)", path)
	}
}

func readFile[T any](t *testing.T, path string, read func(io.Reader) (T, error)) T {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	v, err := read(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// readVerbs reads lines with a command's name, each followed by lines with a flag:
// two spaces, --name, its shorthand, what it takes.
func readVerbs(r io.Reader) (map[string]verb, error) {
	verbs := map[string]verb{}
	var last verb
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		switch words := strings.Fields(line); {
		case len(words) == 0 || line[0] == '#':
		case line[0] != ' ':
			last = verb{line, map[string]verbFlag{}}
			verbs[line] = last
		case last.flags == nil || !strings.HasPrefix(words[0], "--"):
			return nil, fmt.Errorf("no flag of a command: %q", line)
		default:
			var f verbFlag
			for _, w := range words[1:] {
				if w[0] == '-' {
					f.shorthand = w
				} else {
					f.value = w
				}
			}
			last.flags[words[0]] = f
		}
	}
	return verbs, lines.Err()
}

// differences is what is told of a command or a flag, by its place: "run" or
// "run --network".
type differences struct {
	text    map[string]string
	used    map[string]bool
	missing []string
}

func readDifferences(r io.Reader) (*differences, error) {
	d := &differences{text: map[string]string{}, used: map[string]bool{}}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if lines.Text() == "" || lines.Text()[0] == '#' {
			continue
		}
		place, text, ok := strings.Cut(lines.Text(), ": ")
		if !ok {
			return nil, fmt.Errorf("no place and a colon: %q", lines.Text())
		}
		d.text[place], d.used[place] = text, false
	}
	return d, lines.Err()
}

// of returns what is told of a place. Create has the flags of run, and what is told
// of those.
func (d *differences) of(place string) string {
	flag, ofCreate := strings.CutPrefix(place, "create ")
	if _, ok := d.used[place]; !ok && ofCreate {
		place = "run " + flag
	}
	if _, ok := d.used[place]; ok {
		d.used[place] = true
	}
	return d.text[place]
}

// must is what has to be told: docker has nothing of that name.
func (d *differences) must(place string) string {
	text := d.of(place)
	if text == "" {
		d.missing = append(d.missing, place)
	}
	return text
}

// gockerVerbs are the commands that gocker shows, and their flags.
func gockerVerbs(t *testing.T) map[string]verb {
	c, _ := testCLI(t)
	root := newRootCommand(c, nil)
	verbs := map[string]verb{}
	var add func(cmd *cobra.Command, name string)
	add = func(cmd *cobra.Command, name string) {
		v := verb{name, map[string]verbFlag{}}
		keep := func(f *pflag.Flag) {
			if !f.Hidden && f.Name != "help" {
				v.flags["--"+f.Name] = verbFlag{shorthand(f), f.Value.Type()}
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(keep)
		cmd.PersistentFlags().VisitAll(keep)
		if !cmd.HasSubCommands() || len(v.flags) > 0 {
			verbs[name] = v
		}
		for _, sub := range cmd.Commands() {
			if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" && sub.Annotations[shortForm] == "" {
				add(sub, strings.TrimPrefix(name+" "+sub.Name(), "docker "))
			}
		}
	}
	add(root, "docker")
	verbs["docker"].flags["--version"] = verbFlag{"-v", "bool"} // which cobra adds when it runs
	return verbs
}

func shorthand(f *pflag.Flag) string {
	if f.Shorthand == "" {
		return ""
	}
	return "-" + f.Shorthand
}

const pageHead = `# docker beside gocker

All of docker's commands and flags, and what gocker makes of each. What stands in
both means the same in both, where nothing else is said.

This page is made of the commands themselves: docker's are those of version 28.2, as
its ` + "`--help`" + ` lists them, without plugins (buildx, compose); gocker's are those of
this source. A test fails when the page is out of date. It is written anew by

    go test ./cmd/gocker -run TestDockersPage -update

## Everywhere

- gocker has no daemon. Commands take effect by themselves, as root; there is no socket
  to connect to, no context, no API. "Error response from daemon: " is missing in front
  of errors.
- Exit codes are docker's: 125 for gocker's own failure and for a bad flag, 126 for a
  command that can't be executed, 127 for one that is not there, 128+n for a death by
  signal n.
- The commands of ` + "`gocker container` and `gocker image`" + ` are listed by their short names,
  where they have one: ` + "`gocker container ls` is `gocker ps`" + `.
- Names, whole IDs and their unique beginnings are taken alike. With several arguments
  it goes on after a failure, and exits with 1.
`

// dockerPage is the page's text.
func dockerPage(docker, gocker map[string]verb, told *differences) string {
	var b strings.Builder
	b.WriteString(pageHead)
	all := maps.Clone(docker)
	maps.Copy(all, gocker)
	names := slices.Sorted(maps.Keys(all))
	names = slices.DeleteFunc(names, func(n string) bool { return n == "docker" })

	b.WriteString("\n## Commands\n\n| docker | gocker | |\n| --- | --- | --- |\n")
	for _, n := range names {
		_, isDockers := docker[n]
		_, isOurs := gocker[n]
		switch {
		case isDockers && isOurs:
			fmt.Fprintf(&b, "| `%s` | [`%[1]s`](#%s) | %s |\n", n, anchor(n), told.of(n))
		case isOurs:
			fmt.Fprintf(&b, "| | [`%s`](#%s) | %s |\n", n, anchor(n), told.must(n))
		default:
			text := told.of(n)
			if text == "" {
				text = "missing"
			}
			fmt.Fprintf(&b, "| `%s` | | %s |\n", n, text)
		}
	}
	b.WriteString("\n## Before the command\n")
	writeFlags(&b, docker["docker"], gocker["docker"], told)
	for _, n := range names {
		if ours, ok := gocker[n]; ok {
			fmt.Fprintf(&b, "\n## %s\n", n)
			writeFlags(&b, docker[n], ours, told)
		}
	}
	return b.String()
}

// anchor is how a heading is linked to.
func anchor(heading string) string { return strings.ReplaceAll(heading, " ", "-") }

// writeFlags sets the flags of one command side by side.
func writeFlags(b *strings.Builder, docker, ours verb, told *differences) {
	all := maps.Clone(ours.flags)
	maps.Copy(all, docker.flags)
	if len(all) == 0 {
		b.WriteString("\nNo flags.\n")
		return
	}
	b.WriteString("\n| docker | gocker | |\n| --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		theirs, isDockers := docker.flags[name]
		our, isOurs := ours.flags[name]
		place := ours.name + " " + name
		switch {
		case isDockers && isOurs:
			text := told.of(place)
			if theirs.shorthand != our.shorthand {
				text = strings.TrimSpace("other shorthand. " + text)
			}
			fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", spelled(name, theirs), spelled(name, our), text)
		case isOurs:
			fmt.Fprintf(b, "| | `%s` | %s |\n", spelled(name, our), told.must(place))
		default:
			text := told.of(place)
			if text == "" {
				text = "missing"
			}
			fmt.Fprintf(b, "| `%s` | | %s |\n", spelled(name, theirs), text)
		}
	}
}

func spelled(name string, f verbFlag) string {
	if f.shorthand != "" {
		return f.shorthand + ", " + name
	}
	return name
}
