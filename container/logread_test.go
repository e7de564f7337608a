package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestALogIsReadFromItsOldestFileToItsNewest(t *testing.T) {
	for _, files := range []int{1, 2, 3, 50} {
		c := testContainer(t, LogConfig{Config: map[string]string{"max-size": "250", "max-file": fmt.Sprint(files)}})
		want := writeLines(t, c, 0, 40)
		if kept := files * 3; kept < len(want) { // the third entry makes a file full, with and without a fraction of a second
			last := (len(want)-1)%3 + 1
			want = want[len(want)-kept+3-last:]
		}
		if got := showLog(t, c, LogOptions{Tail: -1}); !slices.Equal(got, want) {
			t.Errorf("%d files: got %q, want %q", files, got, want)
		}
		all, err := filepath.Glob(c.logFile() + "*")
		if err != nil || len(all) > files {
			t.Errorf("%d files are %q (%v)", files, all, err)
		}
	}
}

func TestTheTailIsCountedAcrossFiles(t *testing.T) {
	c := testContainer(t, LogConfig{Config: map[string]string{"max-size": "250", "max-file": "100"}})
	want := writeLines(t, c, 0, 40)
	for n := range 45 {
		got := showLog(t, c, LogOptions{Tail: n})
		if !slices.Equal(got, want[max(0, len(want)-n):]) {
			t.Errorf("tail %d: %q", n, got)
		}
	}
}

func TestTheTailOfLongLines(t *testing.T) {
	c := testContainer(t, LogConfig{})
	l := openTestLog(t, c)
	s := &logStream{log: l, name: "stdout"}
	var want []string
	for i := range 40 {
		line := fmt.Sprintf("%d %s\n", i, strings.Repeat("<", i*400)) // six bytes each
		want = append(want, line)
		if err := s.write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range len(want) {
		if got := showLog(t, c, LogOptions{Tail: n}); !slices.Equal(got, want[len(want)-n:]) {
			t.Errorf("tail %d: %d entries, %.10q", n, len(got), got)
		}
	}
}

// Whoever wrote was killed in the middle of a line.
func TestALogThatWasCutShortIsRead(t *testing.T) {
	entry := func(text string) string {
		return `{"log":"` + text + `\n","stream":"stderr","time":"2026-01-02T03:04:05.000000006Z"}`
	}
	for _, c := range []struct {
		name, log string
		want      []string
	}{
		{"a whole one", entry("a") + "\n", []string{"a\n"}},
		{"no newline", entry("a") + "\n" + entry("b"), []string{"a\n", "b\n"}},
		{"half an entry", entry("a") + "\n" + entry("b")[:20], []string{"a\n"}},
		{"half an entry alone", entry("b")[:20], nil},
		{"in the middle", entry("a")[:30] + "\n" + entry("b") + "\n", []string{"b\n"}},
		{"zeros, after a power cut", entry("a") + "\n" + strings.Repeat("\x00", 100), []string{"a\n"}},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctr := testContainer(t, LogConfig{})
			if err := os.WriteFile(ctr.logFile(), []byte(c.log), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, tail := range []int{-1, 10} {
				if got := showLog(t, ctr, LogOptions{Tail: tail}); !slices.Equal(got, c.want) {
					t.Errorf("tail %d: got %q, want %q", tail, got, c.want)
				}
			}
			if got := showLog(t, ctr, LogOptions{Tail: 1}); len(c.want) > 0 && !slices.Equal(got, c.want[len(c.want)-1:]) {
				t.Errorf("the last one: %q", got)
			}
			// Who comes next writes whole lines.
			want := append(slices.Clone(c.want), writeLines(t, ctr, 0, 2)...)
			if got := showLog(t, ctr, LogOptions{Tail: -1}); !slices.Equal(got, want) {
				t.Errorf("with more: got %q, want %q", got, want)
			}
		})
	}
}

// A crash between any two steps of a rotation loses nothing that would not have
// gone anyway.
func TestARotationThatWasCutShortGoesOn(t *testing.T) {
	c := testContainer(t, LogConfig{Config: map[string]string{"max-size": "250", "max-file": "10"}})
	want := writeLines(t, c, 0, 9)
	path := c.logFile()
	check := func(when string) {
		t.Helper()
		if got := showLog(t, c, LogOptions{Tail: -1}); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	if err := os.Rename(numbered(path, 2), numbered(path, 3)); err != nil {
		t.Fatal(err)
	}
	check("the highest has moved")
	if err := os.Rename(numbered(path, 1), numbered(path, 2)); err != nil {
		t.Fatal(err)
	}
	check("all have moved")
	if err := os.Link(path, numbered(path, 1)); err != nil {
		t.Fatal(err)
	}
	check("the newest has two names")
	want = append(want, writeLines(t, c, 9, 20)...)
	check("it has gone on")
	for i := range 8 {
		a, err := os.Stat(numbered(path, i))
		if err != nil {
			continue // a crash may leave a number without a file
		}
		if b, err := os.Stat(numbered(path, i+1)); err == nil && os.SameFile(a, b) {
			t.Errorf("%d and %d are the same file", i, i+1)
		}
	}
}

func TestSinceAndUntilBoundALog(t *testing.T) {
	c := testContainer(t, LogConfig{})
	var log strings.Builder
	for i := range 5 {
		fmt.Fprintf(&log, `{"log":"%d\n","stream":"stdout","time":"2026-01-01T00:00:0%d.000000001Z"}`+"\n", i, i)
	}
	if err := os.WriteFile(c.logFile(), []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(s, ns int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, ns, time.UTC) }
	for _, test := range []struct {
		o    LogOptions
		want string
	}{
		{LogOptions{Tail: -1, Since: at(3, 1)}, "34"},
		{LogOptions{Tail: -1, Since: at(3, 2)}, "4"},
		{LogOptions{Tail: -1, Until: at(1, 1)}, "01"},
		{LogOptions{Tail: -1, Until: at(1, 0)}, "0"},
		{LogOptions{Tail: -1, Since: at(1, 0), Until: at(2, 9)}, "12"},
		{LogOptions{Tail: 2, Since: at(1, 0)}, "34"},
		{LogOptions{Tail: 2, Until: at(2, 9)}, ""},
	} {
		if got := strings.ReplaceAll(strings.Join(showLog(t, c, test.o), ""), "\n", ""); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.o, got, test.want)
		}
	}
}

func TestWithoutALogThereIsNothingToRead(t *testing.T) {
	c := testContainer(t, LogConfig{Type: "none"})
	if l, err := c.openLog(); l.stream("stdout") != nil || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	if err := new(Store).Logs(c, LogOptions{}); !errors.Is(err, ErrNoLog) {
		t.Error(err)
	}
}

func TestAttributesAreToldWithEachLine(t *testing.T) {
	c := testContainer(t, LogConfig{Config: map[string]string{"labels": "a,b", "env": "V,none"}})
	c.Config.Labels = map[string]string{"a": `1"`, "c": "2"}
	c.Config.Env = []string{"V=x=y", "W=1"}
	writeLines(t, c, 0, 1)
	var got map[string]string
	err := new(Store).Logs(c, LogOptions{
		Tail: -1,
		Show: func(e *LogEntry) error { got = e.Attrs; return nil },
		Idle: func() error { return nil },
	})
	if err != nil || fmt.Sprint(got) != `map[V:x=y a:1"]` {
		t.Errorf("%v, %v", got, err)
	}
}

func TestEveryEntryThatIsWrittenIsParsed(t *testing.T) {
	stamp := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, text := range []string{"", "a\n", "a\"\\\t\r\n", "<&>\n", "é\u2028\x1b[0m", "\xff", `\`, `"`} {
		s := &logStream{log: new(logFile), name: "stderr", part: []byte(text)}
		s.encode(len(text), stamp)
		want := LogEntry{Log: strings.ToValidUTF8(text, "\ufffd"), Stream: "stderr", Time: stamp}
		var got LogEntry
		if !got.parse(s.out) || got.Log != want.Log || got.Stream != want.Stream || !got.Time.Equal(want.Time) {
			t.Errorf("%q is read as %+v", s.out, got)
		}
		for n := range len(s.out) - 2 {
			if got.parse(s.out[:n]) {
				t.Errorf("%q is read as %+v", s.out[:n], got)
			}
		}
	}
}

func testContainer(t *testing.T, conf LogConfig) *Container {
	t.Helper()
	dir := t.TempDir()
	c := &Container{Record: Record{ID: strings.Repeat("a", 64)}, dir: dir, runDir: filepath.Join(dir, "run")}
	c.HostConfig.LogConfig = conf
	return c
}

func openTestLog(t *testing.T, c *Container) *logFile {
	t.Helper()
	l, err := c.openLog()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.f.Close() })
	return l
}

// writeLines logs numbers, each of them an entry of 100 bytes or a little more.
func writeLines(t *testing.T, c *Container, from, to int) []string {
	t.Helper()
	s := &logStream{log: openTestLog(t, c), name: "stdout"}
	var lines []string
	for i := from; i < to; i++ {
		line := fmt.Sprintf("%030d\n", i)
		if err := s.write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

func showLog(t *testing.T, c *Container, o LogOptions) []string {
	t.Helper()
	var got []string
	o.Show = func(e *LogEntry) error { got = append(got, e.Log); return nil }
	o.Idle = func() error { return nil }
	if err := new(Store).Logs(c, o); err != nil {
		t.Fatal(err)
	}
	return got
}
