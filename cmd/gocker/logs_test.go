package main

import (
	"bytes"
	"testing"
	"time"

	"gocker/container"
)

func TestLinesOfTheLogArePrintedWhereTheyCameFrom(t *testing.T) {
	stamp := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	entries := []container.LogEntry{
		{Log: "long, ", Stream: "stdout", Time: stamp},
		{Log: "oops\n", Stream: "stderr", Time: stamp, Attrs: map[string]string{"b": "x,=y", "a": "1 2"}},
		{Log: "longer\n", Stream: "stdout", Time: stamp.Add(time.Second)},
		{Log: "end", Stream: "stdout", Time: stamp},
	}
	for _, c := range []struct {
		name                string
		timestamps, details bool
		out, err            string
	}{
		{"plain", false, false, "long, longer\nend", "oops\n"},
		{"timestamps", true, false, "2026-01-02T02:04:05.000000600Z long, longer\n2026-01-02T02:04:05.000000600Z end", "2026-01-02T02:04:05.000000600Z oops\n"},
		{"details", false, true, " long, longer\n end", "a=1+2,b=x%2C%3Dy oops\n"},
		{"both", true, true, "2026-01-02T02:04:05.000000600Z  long, longer\n2026-01-02T02:04:05.000000600Z  end", "2026-01-02T02:04:05.000000600Z a=1+2,b=x%2C%3Dy oops\n"},
	} {
		var out, errOut bytes.Buffer
		p := newLogPrinter(&out, &errOut)
		p.timestamps, p.details = c.timestamps, c.details
		for i := range entries {
			if err := p.show(&entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.out || errOut.String() != c.err {
			t.Errorf("%s: got %q and %q", c.name, out.String(), errOut.String())
		}
	}
}

func TestBothStreamsInOneFileStayInOrder(t *testing.T) {
	var both bytes.Buffer
	p := newLogPrinter(&both, &both)
	for _, e := range []container.LogEntry{{Log: "1\n", Stream: "stdout"}, {Log: "2\n", Stream: "stderr"}, {Log: "3\n", Stream: "stdout"}} {
		if err := p.show(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.flush(); err != nil || both.String() != "1\n2\n3\n" {
		t.Errorf("%q, %v", both.String(), err)
	}
}
