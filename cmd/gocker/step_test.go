package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocker/cgroup"

	"golang.org/x/sys/unix"
)

func TestWhatAPlanPrintsIsACommandOfGocker(t *testing.T) {
	s := cgroup.DeviceFilter{Dir: "/no such/it's", Rules: []string{"c *:* m", "c 1:3 rwm"}}
	words, err := exec.Command("sh", "-c", `gocker() { printf '%s\n' "$@"; }; `+s.Shell()).Output()
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Split(strings.TrimSpace(string(words)), "\n")
	c, out := testCLI(t)
	if code := c.run(args); code != 1 || out.stderr() != "open /no such/it's: no such file or directory\n" {
		t.Errorf("%s: %d, %q", s.Shell(), code, out.stderr())
	}
}

func TestADeviceFilterIsAttachedToAGroup(t *testing.T) {
	dir := filepath.Join(cgroup2(t), "gocker-step-test")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	c, out := testCLI(t)
	for _, tc := range []struct {
		rule   string
		code   int
		stderr string
	}{
		{"!c 1:x rwm", 1, `device rule "!c 1:x rwm": "x" is not a number`},
		{"c 1:3 rwm", 0, ""},
	} {
		out.reset()
		code := c.run([]string{"step", "device-filter", dir, tc.rule})
		if code != tc.code || strings.TrimSpace(out.stderr()) != tc.stderr {
			t.Errorf("%s: %d, %q, want %d, %q", tc.rule, code, out.stderr(), tc.code, tc.stderr)
		}
	}
}

func TestStepIsHiddenAndTellsItsUse(t *testing.T) {
	c, out := testCLI(t)
	if c.run([]string{"--help"}); strings.Contains(out.stdout(), "step ") || !strings.Contains(out.stdout(), "run ") {
		t.Errorf("help:\n%s", out.stdout())
	}
	for _, tc := range []struct {
		args, want string
		code       int
	}{
		{"step", "'gocker step' requires at least 1 argument", 1},
		{"step device-filter x", "'gocker step device-filter' requires at least 2 arguments", 1},
		{"step mount x", "step mount: want --move, --bind, -o remount or a type", 1},
		{"step umount /no/such extra", `step umount: unexpected "extra"`, 1},
		{"step mknod -m 0600 /no/such/node c 1 3", "mknod -m 0600 /no/such/node c 1 3: no such file or directory", 1},
		{"step no-such-command", `gocker step: exec "no-such-command": no such file or directory`, 127},
		{"step env -i PATH=/ no-such-command x", `gocker step: exec "no-such-command": no such file or directory`, 127},
		{"step env -i /etc/passwd", `gocker step: exec "/etc/passwd": permission denied`, 126},
	} {
		out.reset()
		if code := c.run(strings.Fields(tc.args)); code != tc.code || !strings.Contains(out.stderr(), tc.want) {
			t.Errorf("%s: %d, %q, want %d, %q", tc.args, code, out.stderr(), tc.code, tc.want)
		}
	}
}

// cgroup2 returns where version 2 is mounted.
func cgroup2(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root makes control groups")
	}
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	t.Skip("cgroup2 is mounted neither on /sys/fs/cgroup nor on unified in it")
	return ""
}
