package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

func TestEventsAreFollowedAcrossFiles(t *testing.T) {
	j := Journal{Root: t.TempDir()}
	j.Note(Event{Type: "container", Action: "create", ID: "0"})
	// A crash has cut a line.
	if err := os.WriteFile(j.path(), []byte(`{"Type":"cont`+"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	const each, events = 4 << 10, 600 // two files and a half
	ahead := make(chan struct{}, 200) // of the reader: what it may miss is in the file before
	go func() {
		for i := range events {
			ahead <- struct{}{}
			j.Note(Event{Type: "container", Action: "start", ID: fmt.Sprint(i + 1), Attributes: map[string]string{"x": strings.Repeat("x", each)}})
		}
	}()
	seen := 0
	err := j.Events(context.Background(), EventOptions{Since: time.Unix(1, 0), Show: func(e Event) error {
		<-ahead
		if seen++; e.ID != fmt.Sprint(seen) {
			return fmt.Errorf("event %s is the %dth", e.ID, seen)
		}
		if seen == events {
			return errEnough
		}
		return nil
	}})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if info, err := os.Stat(j.path() + ".1"); err != nil || info.Size() > journalSize+2*each {
		t.Errorf("the file before: %v, %v", info, err)
	}
	if _, err := os.Stat(j.path() + ".2"); err == nil {
		t.Error("a third file is kept")
	}
}

func TestAnEventFilterIsDockers(t *testing.T) {
	box := Event{Type: "container", ID: "abcdef", Attributes: map[string]string{"name": "box", "image": "reg:5000/busybox:1", "role": "db"}}
	pulled := Event{Type: "image", Action: "pull", ID: "busybox:latest", Attributes: map[string]string{"name": "busybox"}}
	at := func(e Event, action string) Event { e.Action = action; return e }
	for _, c := range []struct {
		filter string
		e      Event
		want   bool
	}{
		{"", box, true},
		{"container=box", box, true},
		{"container=abc", box, true},
		{"container=other", box, false},
		{"container=other container=box", box, true},
		{"container=box", pulled, false},
		{"type=image", pulled, true},
		{"type=image", box, false},
		{"type=volume", box, false},
		{"event=start", at(box, "start"), true},
		{"event=start", at(box, "die"), false},
		{"event=exec_create", at(box, "exec_create: ls -l"), true},
		{"event=health_status", at(box, "health_status: healthy"), true},
		{"event=start event=die container=box", at(box, "die"), true},
		{"image=reg:5000/busybox:1", box, true},
		{"image=reg:5000/busybox", box, true},
		{"image=busybox", box, false},
		{"image=busybox", pulled, true},
		{"image=busybox:latest", pulled, true},
		{"label=role", box, true},
		{"label=role=db", box, true},
		{"label=role label=tier", box, false},
		{"network=x", box, false},
	} {
		f, err := ParseEventFilter(strings.Fields(c.filter))
		if err != nil || f.Match(c.e) != c.want {
			t.Errorf("%s: %s %s: not %v (%v)", c.filter, c.e.Type, c.e.Action, c.want, err)
		}
	}
	if _, err := ParseEventFilter([]string{"colour=red"}); err == nil || !slices.Contains([]string{"invalid filter 'colour'"}, err.Error()) {
		t.Errorf("%v", err)
	}
}

// BenchmarkAnEvent is what each start of a container pays for being told.
func BenchmarkAnEvent(b *testing.B) {
	s := &Store{Root: b.TempDir()}
	c := &Container{Name: "box", Record: Record{ID: NewID(), Image: "busybox"}}
	for b.Loop() {
		s.note(c, "start")
	}
}
