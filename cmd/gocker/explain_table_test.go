package main

import "testing"

func TestWhatAContainerChoseCommandsNoTerminal(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"sleep 1000", "sleep 1000"},
		{"größe „x“ \\", "größe „x“ \\"},
		{"\x1b[2J\x07", `\x1b[2J\a`},
		{"a\nb\tc", `a\nb\tc`},
		{"\xff", `\xff`},
		{"a\u202eb", `a\u202eb`}, // turns the direction of what follows
		{`"quoted"` + "\n", `\"quoted\"\n`},
	} {
		if got := printable(c.text); got != c.want {
			t.Errorf("%q is printed as %s, want %s", c.text, got, c.want)
		}
	}
}
