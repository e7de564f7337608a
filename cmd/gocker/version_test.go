package main

import (
	"runtime"
	"strings"
	"testing"
)

func TestVersionPrintsDockersBlock(t *testing.T) {
	c, out := testCLI(t)
	if code := c.run([]string{"version"}); code != 0 {
		t.Fatal(out.stderr())
	}
	for _, line := range []string{"Client:", " Version:           " + version, " Go version:        " + runtime.Version(), " OS/Arch:           linux/" + runtime.GOARCH} {
		if !strings.Contains(out.stdout(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, out.stdout())
		}
	}
	for args, want := range map[string]string{
		"version -f {{.Client.Version}}":                   version,
		"version --format {{.Client.Os}}/{{.Client.Arch}}": "linux/" + runtime.GOARCH,
		"--version": "gocker version " + version,
	} {
		out.reset()
		if code := c.run(strings.Fields(args)); code != 0 || out.stdout() != want+"\n" {
			t.Errorf("%s: %d, %q, want %q", args, code, out.stdout(), want)
		}
	}
}
