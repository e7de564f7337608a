package step_test

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// What sh has words for itself is not read back, nor what a script prints in
// another form where it calls gocker.
var notRead = map[string]bool{
	"Write": true, "Touch": true, "Rmdir": true, "Chdir": true, "Sethostname": true,
	"Dup": true, "CloseFrom": true, "Rlimit": true, "MoveMount": true, "Unshare": true, "Enter": true,
	// Made before the root is changed.
	"Bridge": true, "DelLink": true, "Veth": true, "Address": true, "DefaultRoute": true,
}

func TestAPrintedStepIsReadBack(t *testing.T) {
	read := 0
	for _, v := range verbs {
		for _, s := range v.steps {
			if notRead[reflect.TypeOf(s).Name()] {
				continue
			}
			line := s.Shell()
			if line == "setpriv" {
				continue // of no capability to drop
			}
			p, err := step.Read(words(t, line), nil)
			if err != nil || len(p.Steps()) != 1 {
				t.Errorf("%s: %d steps, %v", line, len(p.Steps()), err)
				continue
			}
			read++
			if again := p.Steps()[0].Shell(); again != line || reflect.TypeOf(p.Steps()[0]) != reflect.TypeOf(s) {
				t.Errorf("printed\n%s\nread\n%s", line, again)
			}
		}
	}
	if read < 100 {
		t.Errorf("read only %d lines", read)
	}
}

// words has sh split a line.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestALineIsReadAsSteps(t *testing.T) {
	env := []string{"PATH=/a:/b", "X=y"}
	for _, c := range []struct {
		line string
		want step.Plan
	}{
		{"chroot /new env --chdir=/ mount -t proc -o nosuid,ro proc /proc", step.Plan{{Steps: []step.Step{
			step.Chroot{Path: "/new"},
			step.Chdir{Path: "/"},
			step.Mount{Source: "proc", Target: "/proc", Type: "proc", Flags: unix.MS_NOSUID | unix.MS_RDONLY},
		}}}},
		{"move_mount 20 /etc/hosts", step.Plan{{Steps: []step.Step{step.MoveMount{FD: 20, Target: "/etc/hosts"}}}}},
		{"write /a '1 2'", step.Plan{{Steps: []step.Step{step.Write{Path: "/a", Data: "1 2"}}}}},
		{"touch /a", step.Plan{{Steps: []step.Step{step.Touch{Path: "/a"}}}}},
		{"umask 0027 prlimit --nofile=1:unlimited close_range 3 setsid setpriv --bounding-set -chown --reuid 7 --regid 8 --clear-groups --inh-caps -all --ambient-caps -all --no-new-privs env -i PATH=/x A=b ls -l", step.Plan{{Steps: []step.Step{
			step.Umask{Mask: 0o27},
			step.Rlimit{Resource: "nofile", Soft: 1, Hard: ^uint64(0)},
			step.CloseFrom{First: 3},
			step.Setsid{},
			step.DropBounding{Drop: capabilities("chown")},
			step.User{UID: 7, GID: 8},
			step.Capset{},
			step.NoNewPrivs{},
			step.Exec{Files: []string{"/x/ls"}, Args: []string{"ls", "-l"}, Env: []string{"PATH=/x", "A=b"}},
		}}}},
		{"setpriv --bounding-set -chown --reuid 0 --regid 0 --groups 1,2 --inh-caps -all --ambient-caps -all env -i -- nice -n 0 -- a=b", step.Plan{{Steps: []step.Step{
			step.DropBounding{Drop: capabilities("chown")},
			step.User{Groups: []uint32{1, 2}},
			step.Capset{Permitted: bounding() &^ capabilities("chown")},
			step.Exec{Files: []string{"./a=b"}, Args: []string{"a=b"}},
		}}}},
		{"open_tree --recursive 20 /src open_tree --read-only 21 /x unshare --pid", step.Plan{{Steps: []step.Step{
			step.OpenTree{FD: 20, Source: "/src", Recursive: true},
			step.OpenTree{FD: 21, Source: "/x", ReadOnly: true},
			step.Exec{Files: []string{"/a/unshare", "/b/unshare"}, Args: []string{"unshare", "--pid"}, Env: env},
		}}}},
	} {
		got, err := step.Read(words(t, c.line), env)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got\n%#v, %v, want\n%#v", c.line, got, err, c.want)
		}
	}
}

func TestALineThatNoStepPrintsIsRefused(t *testing.T) {
	for _, line := range []string{
		"mount", "mount a b", "mount --make-shiny /", "mount -t", "mount --bind a", "mount --bind a b c",
		"mkdir /a", "mkdir -m 9 /a", "mkdir -p", "rm -rf /a", "ln -s a b", "chown a:b /c", "chown -h 1 /c",
		"mknod -m 0666 /a x 1 2", "mknod -m 0666 /a c 1", "ip addr add", "ip link set dev lo down",
		"prlimit --nofile=x:1 true", "prlimit --colour=1:1 true", "setpriv --bounding-set -shiny true",
		"setpriv --bounding-set chown true", "setpriv --reuid 1 true", "env FOO=bar true", "env -i", "env -i A=b",
		"umask x", "close_range -1", "open_tree x /y", "pivot_root .", "umount", "touch", "write /a",
	} {
		if p, err := step.Read(words(t, line), nil); err == nil {
			t.Errorf("%s: read as %#v", line, p)
		}
	}
}
