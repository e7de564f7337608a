package container

import (
	"testing"
	"time"
)

func TestATaskIsReadFromItsStat(t *testing.T) {
	boot := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		stat string
		want Task
	}{
		{
			"4711 (sh) S 4700 4711 4711 34817 4711 4194304 1 2 3 4 250 150 5 6 20 0 1 0 12345 999 88 x",
			Task{Parent: 4700, TTY: "pts/1", Used: 4 * time.Second, Started: boot.Add(123450 * time.Millisecond), Name: "sh"},
		},
		{
			"5 (a) R (b) Z 1 5 5 0 -1 4194304 1 2 3 4 0 0 5 6 20 0 1 0 100 0 0 x",
			Task{Parent: 1, TTY: "?", Started: boot.Add(time.Second), Name: "a) R (b", Zombie: true},
		},
	} {
		var got Task
		if err := got.parseStat([]byte(c.stat), boot); err != nil {
			t.Fatal(err)
		}
		if got.Parent != c.want.Parent || got.TTY != c.want.TTY || got.Used != c.want.Used || !got.Started.Equal(c.want.Started) || got.Name != c.want.Name || got.Zombie != c.want.Zombie {
			t.Errorf("%s\ngot  %+v\nwant %+v", c.stat, got, c.want)
		}
	}
	for _, stat := range []string{"", "1", "1 (sh", ")(", "1 (sh) S 1 2", "1 (sh) S x 4711 4711 0 4711 4194304 1 2 3 4 250 150 5 6 20 0 1 0 12345"} {
		if err := new(Task).parseStat([]byte(stat), boot); err == nil {
			t.Errorf("%q is a task", stat)
		}
	}
}

func TestATerminalIsNamedByItsNumber(t *testing.T) {
	for dev, want := range map[uint32]string{
		0: "?", 136 << 8: "pts/0", 136<<8 | 255: "pts/255", 137<<8 | 2: "pts/258", 136<<8 | 1<<20 | 3: "pts/259",
		4<<8 | 1: "tty1", 4<<8 | 64: "ttyS0", 5<<8 | 1: "console", 204<<8 | 64: "204:64",
	} {
		if got := terminalName(dev); got != want {
			t.Errorf("%#x is %q, want %q", dev, got, want)
		}
	}
}
