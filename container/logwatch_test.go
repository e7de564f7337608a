package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// A monitor writes and rotates while it is read, and then ends.
func TestAFollowerSeesEveryLineUntilTheContainerEnds(t *testing.T) {
	for _, conf := range []map[string]string{
		{},
		{"max-size": "3000", "max-file": "1000"},
	} {
		c := testContainer(t, LogConfig{Config: conf})
		alive := startTestMonitor(t, c)
		want := writeLines(t, c, 0, 100)
		started := make(chan struct{})
		var wrote []string
		go func() {
			<-started
			for i := 100; i < 5000; i += 100 {
				wrote = append(wrote, writeLines(t, c, i, i+100)...)
			}
			endTestMonitor(t, c, alive)
		}()
		var got []string
		idle := 0
		err := new(Store).Logs(c, LogOptions{
			Follow: true, Tail: -1,
			Show: func(e *LogEntry) error { got = append(got, e.Log); return nil },
			Idle: func() error {
				if idle++; idle == 1 {
					close(started) // all there was has been shown
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if want = append(want, wrote...); !slices.Equal(got, want) {
			t.Errorf("%v: %d lines of %d", conf, len(got), len(want))
		}
	}
}

// The news of the end comes before that of the last lines.
func TestAFollowerReadsToTheEndWhenTheContainerHasEnded(t *testing.T) {
	c := testContainer(t, LogConfig{})
	want := writeLines(t, c, 0, 1)
	files, err := openLogFiles(c.logFile())
	if err != nil {
		t.Fatal(err)
	}
	w := &logWatch{dirWatch: &dirWatch{change: make(chan struct{})}, ended: make(chan error, 1)}
	var got []string
	r := &logReader{o: LogOptions{
		Show: func(e *LogEntry) error { got = append(got, e.Log); return nil },
		Idle: func() error {
			want = append(want, writeLines(t, c, 1, 3)...)
			w.ended <- nil
			return nil
		},
	}}
	if err := r.follow(files, c.logFile(), w); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The log and its directory go before the follower has read to the end.
func TestAFollowerReadsOnWhenTheContainerIsRemoved(t *testing.T) {
	c := testContainer(t, LogConfig{})
	c.runDir = t.TempDir() + "/run"
	alive := startTestMonitor(t, c)
	want := writeLines(t, c, 0, 100)
	var got []string
	err := new(Store).Logs(c, LogOptions{
		Follow: true, Tail: -1,
		Show: func(e *LogEntry) error {
			if got = append(got, e.Log); len(got) == 1 {
				want = append(want, writeLines(t, c, 100, 2000)...)
				if err := os.RemoveAll(c.dir); err != nil {
					return err
				}
				endTestMonitor(t, c, alive)
			}
			return nil
		},
		Idle: func() error { return nil },
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d lines of %d, %v", len(got), len(want), err)
	}
}

func TestAFollowerEndsAtItsBound(t *testing.T) {
	c := testContainer(t, LogConfig{})
	startTestMonitor(t, c)
	want := writeLines(t, c, 0, 10)
	until := time.Now().Add(50 * time.Millisecond)
	if got := showLog(t, c, LogOptions{Follow: true, Tail: -1, Until: until}); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if time.Now().Before(until) {
		t.Error("it has not waited")
	}
}

// A container that somebody is about to start again has not ended.
func TestAFollowerStaysForARestart(t *testing.T) {
	c := testContainer(t, LogConfig{})
	alive := startTestMonitor(t, c)
	want := writeLines(t, c, 0, 1)
	idle := make(chan struct{}, 100)
	go func() {
		<-idle
		restart, err := leaveWord(c.keepFile())
		if err != nil {
			t.Error(err)
			return
		}
		endTestMonitor(t, c, alive)
		again := startTestMonitor(t, c)
		if err := takeBack(restart); err != nil {
			t.Error(err)
		}
		writeLines(t, c, 1, 2)
		<-idle
		endTestMonitor(t, c, again)
	}()
	var got []string
	err := new(Store).Logs(c, LogOptions{
		Follow: true, Tail: -1,
		Show: func(e *LogEntry) error { got = append(got, e.Log); return nil },
		Idle: func() error { idle <- struct{}{}; return nil },
	})
	want = append(want, fmt.Sprintf("%030d\n", 1))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := os.Lstat(c.keepFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// startTestMonitor makes a container run, as far as others can tell.
func startTestMonitor(t *testing.T, c *Container) *os.File {
	t.Helper()
	made := c.runDir + ".made"
	if err := os.Mkdir(made, 0o700); err != nil {
		t.Fatal(err)
	}
	alive, err := lock(made, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { alive.Close() })
	if err := os.Rename(made, c.runDir); err != nil {
		t.Fatal(err)
	}
	return alive
}

func endTestMonitor(t *testing.T, c *Container, alive *os.File) {
	if err := os.RemoveAll(c.runDir); err != nil {
		t.Error(err)
	}
	alive.Close()
}
