package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"gocker/container/quickjson"
)

func TestOutputIsLoggedByLinesOf16KiB(t *testing.T) {
	long := strings.Repeat("x", logLine)
	for _, c := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"a line", []string{"a\n"}, []string{"a\n"}},
		{"lines of one write", []string{"a\nb\n\nc\n"}, []string{"a\n", "b\n", "\n", "c\n"}},
		{"a line of several writes", []string{"a", "b", "c\nd", "\n"}, []string{"abc\n", "d\n"}},
		{"no newline at the end", []string{"a\nb"}, []string{"a\n", "b"}},
		{"16 KiB with its newline", []string{long[1:] + "\n"}, []string{long[1:] + "\n"}},
		{"16 KiB and a newline", []string{long + "\n"}, []string{long, "\n"}},
		{"more than 16 KiB", []string{long + long + "yy\nz\n"}, []string{long, long, "yy\n", "z\n"}},
		{"more than 16 KiB of several writes", []string{long[:10000], long[:10000], "\n"}, []string{long, long[:20000-logLine] + "\n"}},
		{"16 KiB without an end", []string{long}, []string{long}},
		{"a character across 16 KiB", []string{long[1:] + "é€\n"}, []string{long[1:], "é€\n"}},
		{"one that ends there", []string{long[2:] + "é€\n"}, []string{long[2:] + "é", "€\n"}},
		{"what JSON escapes", []string{"\"\\\t\x00<&>\u2028\x1b[0m\r\n"}, []string{"\"\\\t\x00<&>\u2028\x1b[0m\r\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, path := newLog(t)
			s := &logStream{log: log, name: "stdout"}
			for _, w := range c.writes {
				if err := s.write([]byte(w)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range readLog(t, path) {
				if e.Stream != "stdout" || e.Time.IsZero() || e.Time.Location().String() != "UTC" {
					t.Errorf("entry of stream %q at %v", e.Stream, e.Time)
				}
				got = append(got, e.Log)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %.80q, want %.80q", got, c.want)
			}
		})
	}
}

// The entries are those of encoding/json, byte by byte.
func TestAnEntryIsWrittenAsJSON(t *testing.T) {
	every := make([]byte, 0, 1<<10)
	for c := range 256 {
		every = append(every, byte(c))
	}
	for c := range rune(0x3000) {
		every = utf8.AppendRune(every, c)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		every = append(every, byte(random.Uint32()))
	}
	for _, text := range []string{"", "plain", string(every), "\xe2\x80", "\xf0\x9f\x98\x80", "\xed\xa0\x80"} {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := `"` + string(quickjson.AppendEscaped(nil, []byte(text))) + `"`
		// These have short forms, which not every version of Go writes.
		for long, short := range map[string]string{`\u0008`: `\b`, `\u000c`: `\f`} {
			want = bytes.ReplaceAll(want, []byte(short), []byte(long))
		}
		if got != string(want) {
			t.Errorf("%.40q: got\n%s\nwant\n%s", text, got, want)
		}
	}
}

func TestLoggingMuchTakesNoMoreMemory(t *testing.T) {
	log, _ := newLog(t)
	s := &logStream{log: log, name: "stdout"}
	text := bytes.Repeat([]byte("a line of output\n"), 1900)
	if got := testing.AllocsPerRun(100, func() {
		if err := s.write(text); err != nil {
			t.Fatal(err)
		}
	}); got > 1 {
		t.Errorf("%v allocations for each 32 KiB", got)
	}
}

func TestStreamsThatWriteAtOnceAreWholeInTheLog(t *testing.T) {
	log, path := newLog(t)
	var wg sync.WaitGroup
	sent := map[string]string{}
	for i, name := range []string{"stdout", "stderr"} {
		var text strings.Builder
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for range 2000 {
			fmt.Fprintf(&text, "%s%s\n", name, strings.Repeat("é", random.IntN(50)))
		}
		text.WriteString("the end of " + name)
		sent[name] = text.String()
		wg.Go(func() {
			s := &logStream{log: log, name: name}
			for rest := sent[name]; rest != ""; {
				n := min(len(rest), 1+random.IntN(3000))
				if err := s.write([]byte(rest[:n])); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := map[string]string{}
	for _, e := range readLog(t, path) {
		got[e.Stream] += e.Log
	}
	for name := range sent {
		if got[name] != sent[name] {
			t.Errorf("%s: %d bytes in the log are not the %d that were written", name, len(got[name]), len(sent[name]))
		}
	}
}

func newLog(t *testing.T) (*logFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	log := new(logFile)
	if err := log.open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.f.Close() })
	return log, path
}

func readLog(t *testing.T, path string) []LogEntry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var entries []LogEntry
	for dec := json.NewDecoder(f); ; {
		var e LogEntry
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
}
