package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gocker/container"
)

func TestEveryWallHasAnExperiment(t *testing.T) {
	for _, w := range container.Walls {
		if !slices.ContainsFunc(experiments, func(e experiment) bool { return e.wall == w.Name }) {
			t.Errorf("no experiment leaves out %s", w.Name)
		}
	}
}

// Each half is held by a script, which reads what the experiment tells.
func TestEveryExperimentHasAScript(t *testing.T) {
	for _, e := range experiments {
		text, err := os.ReadFile(filepath.Join("..", "..", "e2e", "testdata", "lab-"+e.name+".txtar"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, half := range []string{"WITHOUT ", "WITH "} {
			if !strings.Contains(string(text), half+e.wall) {
				t.Errorf("the script of %s does not look at %s%s", e.name, half, e.wall)
			}
		}
	}
}

func TestAnExperimentLeavesItsWallOutInTheFirstHalfOnly(t *testing.T) {
	without := regexp.MustCompile(`--without (\S+)`)
	for _, e := range experiments {
		found := false
		for _, s := range e.without {
			for _, m := range without.FindAllStringSubmatch(s.do, -1) {
				found = true
				if m[1] != e.wall {
					t.Errorf("%s leaves out %s", e.name, m[1])
				}
			}
		}
		if !found {
			t.Errorf("%s does not leave out %s", e.name, e.wall)
		}
		for _, s := range e.with {
			if without.MatchString(s.do) {
				t.Errorf("%s: the second half has %q", e.name, s.do)
			}
		}
	}
}

// The image's name would have to be pulled, and a network to be made.
func TestContainersOfExperimentsNeedNothing(t *testing.T) {
	for _, e := range experiments {
		for _, s := range slices.Concat(e.without, e.with) {
			if !strings.Contains(s.do, "gocker run ") {
				continue
			}
			if !strings.Contains(s.do, "--rootfs $ROOT") || !strings.Contains(s.do, "--network none") && !strings.Contains(s.do, "--without net") {
				t.Errorf("%s: %s", e.name, s.do)
			}
		}
	}
}

func TestStepsUseToolsAndVariablesThatAreThere(t *testing.T) {
	verbs := []string{"gocker", "start", "stop", "lives", "gone"}
	for _, tool := range labTools {
		verbs = append(verbs, tool.name)
	}
	for _, e := range experiments {
		vars := []string{"LAB", "ROOT", "CONTAINERS", "TOKEN"}
		for _, s := range slices.Concat(e.without, e.with) {
			words := strings.Fields(s.do)
			if !slices.Contains(verbs, words[0]) {
				t.Errorf("%s: %q is no command", e.name, words[0])
			}
			for _, text := range []string{s.do, s.want, s.not} {
				os.Expand(text, func(name string) string {
					if !slices.Contains(vars, name) {
						t.Errorf("%s: %q: nothing has set %s", e.name, text, name)
					}
					return ""
				})
			}
			if words[0] == "start" {
				vars = append(vars, words[1], words[1]+"_says")
			}
			if s.keep != "" {
				vars = append(vars, s.keep)
			}
			for _, text := range []string{s.want, s.not} {
				if _, err := regexp.Compile(text); err != nil {
					t.Errorf("%s: %v", e.name, err)
				}
			}
		}
	}
}

func TestWhatIsTakenIsBounded(t *testing.T) {
	for _, c := range []struct {
		arg string
		ok  bool
	}{{"1", true}, {"256", true}, {"257", false}, {"0", false}, {"-1", false}, {"", false}, {"1e9", false}} {
		if n, err := bounded(c.arg, hogMost); (err == nil) != c.ok {
			t.Errorf("%q: %d, %v", c.arg, n, err)
		}
	}
}

func TestMuchOutputIsCutButNotWhatMatters(t *testing.T) {
	many := strings.Repeat("line\n", 10) + "this one\n" + strings.Repeat("line\n", 10)
	for _, c := range []struct{ text, want string }{
		{"", "\n"},
		{"one\ntwo\n", "    | one\n    | two\n\n"},
		{strings.Repeat("ä", manyRunes+1), "    | " + strings.Repeat("ä", manyRunes-1) + "…\n\n"},
		{many, strings.Repeat("    | line\n", 3) + "    | … (7 more)\n    | this one\n    | … (10 more)\n\n"},
	} {
		var out strings.Builder
		(&teller{out: &out}).output(c.text, regexp.MustCompile("this"))
		if out.String() != c.want {
			t.Errorf("%.20q...: got %q, want %q", c.text, out.String(), c.want)
		}
	}
}

func TestATellerSaysParagraphs(t *testing.T) {
	var out strings.Builder
	tell := &teller{out: &out}
	tell.say("")
	tell.say(strings.Repeat("word ", 20))
	tell.command([]string{"cat", "a file"})
	want := "  " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n  " + strings.TrimSpace(strings.Repeat("word ", 5)) + "\n\n    $ cat 'a file'\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestAReadyLineIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		text, output, value string
		code                int
	}{
		{"ready\nmore", "ready\n", "", 0},
		{"WARNING: x\nready 42\n", "WARNING: x\nready 42\n", "42", 0},
		{"not ready\nready", "not ready\nready", "", 1},
		{"", "", "", 1},
	} {
		var r readyReader
		if got := r.read(strings.NewReader(c.text)); got != (labResult{c.output, c.code}) || r.value != c.value {
			t.Errorf("%q: %v, value %q", c.text, got, r.value)
		}
	}
}
