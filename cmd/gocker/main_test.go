package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatCantBeReadIsAnsweredInDockersWords(t *testing.T) {
	for _, tc := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"foo", 1, "gocker: unknown command: gocker foo\n\nRun 'gocker --help' for more information\n"},
		{"foo --bar", 1, "gocker: unknown command: gocker foo\n\nRun 'gocker --help' for more information\n"},
		{"foo ps", 1, "gocker: unknown command: gocker foo\n\nRun 'gocker --help' for more information\n"},
		{"--foo", 125, "unknown flag: --foo\n\nUsage:  gocker [OPTIONS] COMMAND\n\nRun 'gocker --help' for more information\n"},
		{"ps --foo", 125, "unknown flag: --foo\n\nUsage:  gocker ps [OPTIONS]\n\nRun 'gocker ps --help' for more information\n"},
		{"ps -n", 125, "flag needs an argument: 'n' in -n\n\nUsage:  gocker ps [OPTIONS]\n\nRun 'gocker ps --help' for more information\n"},
		{"ps -f foo", 125, "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value)\n\nUsage:  gocker ps [OPTIONS]\n\nRun 'gocker ps --help' for more information\n"},
		{"ps -f foo=1", 1, "invalid filter 'foo'\n"},
	} {
		c, out := testCLI(t)
		code := c.run(strings.Fields(tc.args))
		if code != tc.code || out.stderr() != tc.stderr || out.stdout() != "" {
			t.Errorf("%s: %d, %q, %q, want %d, %q", tc.args, code, out.stderr(), out.stdout(), tc.code, tc.stderr)
		}
	}
	for _, verb := range []string{"ps", "info", "version"} {
		c, out := testCLI(t)
		want := fmt.Sprintf("gocker: 'gocker %[1]s' accepts no arguments\n\nUsage:  gocker %[1]s [OPTIONS]\n\nRun 'gocker %[1]s --help' for more information\n", verb)
		if code := c.run([]string{verb, "x"}); code != 1 || out.stderr() != want {
			t.Errorf("%s x: %d, %q, want %q", verb, code, out.stderr(), want)
		}
	}
}
