package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"gocker/container"

	"golang.org/x/sys/unix"
)

func TestInfoCountsContainersAndDescribesTheHost(t *testing.T) {
	c, out := testCLI(t)
	putContainer(t, "web", container.State{Status: container.Exited, StartedAt: noon, FinishedAt: noon})
	if code := c.run([]string{"info"}); code != 0 {
		t.Fatal(out.stderr())
	}
	for _, line := range []string{
		`Containers: 1`, ` Running: 0`, ` Paused: 0`, ` Stopped: 1`, `Images: 0`, `Storage Driver: overlay`,
		` Backing Filesystem: \w+`, `Cgroup Version: ([12]|1 \(hybrid\)|)`, `Kernel Version: \d.*`, `OSType: linux`,
		`CPUs: [1-9]\d*`, `Total Memory: .*iB`, `Gocker Root Dir: ` + regexp.QuoteMeta(c.root),
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(out.stdout()) {
			t.Errorf("no line %q in\n%s", line, out.stdout())
		}
	}
	for line := range strings.Lines(out.stderr()) {
		if !strings.HasPrefix(line, "WARNING: ") {
			t.Errorf("stderr: %q", line)
		}
	}
}

func TestInfoIsForScriptsToo(t *testing.T) {
	c, out := testCLI(t)
	if code := c.run([]string{"info", "-f", "{{.ContainersStopped}} {{.DockerRootDir}}"}); code != 0 || out.stdout() != "0 "+c.root+"\n" {
		t.Errorf("%d, %q, %q", code, out.stdout(), out.stderr())
	}
	out.reset()
	var v map[string]any
	if code := c.run([]string{"info", "--format", "json"}); code != 0 || json.Unmarshal([]byte(out.stdout()), &v) != nil || v["Driver"] != "overlay" {
		t.Errorf("%d, %q", code, out.stdout())
	}
}

func TestTheNameOfADistributionIsUnquoted(t *testing.T) {
	for text, want := range map[string]string{
		"NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n": "Debian GNU/Linux 12 (bookworm)",
		"PRETTY_NAME='Alpine'\n":                                   "Alpine",
		"PRETTY_NAME=Void\n":                                       "Void",
		`PRETTY_NAME="a \"b\" \$c \\"` + "\n":                      `a "b" $c \`,
		"# PRETTY_NAME=no\nNAME=x\n":                               "",
		"":                                                         "",
		"PRETTY_NAME=\"\n":                                         `"`,
		"  PRETTY_NAME=\"indented, no end\n\n":                     `"indented, no end`,
	} {
		if got, err := parseOSName(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%q: %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestAFilesystemHasDockersName(t *testing.T) {
	for magic, want := range map[int64]string{unix.EXT4_SUPER_MAGIC: "extfs", unix.BTRFS_SUPER_MAGIC: "btrfs", 0x1234: "0x1234"} {
		if got := filesystemName(magic); got != want {
			t.Errorf("%x: %q, want %q", magic, got, want)
		}
	}
}
