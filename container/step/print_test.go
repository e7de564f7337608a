package step_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

func TestAPlanIsPrintedAsACommentedScript(t *testing.T) {
	for _, c := range []struct {
		name string
		plan step.Plan
		want string
	}{
		{"nothing", nil, ""},
		{"groups, with comments of at most 78 columns", step.Plan{
			{Why: "The namespace starts with a copy of the host's mounts. Cut the ties, so that nothing mounted from here on shows on the host.", Man: "mount_namespaces(7)", Steps: []step.Step{
				step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE},
			}},
			{Why: "A word that is longer than a line: " + strings.Repeat("x", 80) + " stands alone.", Steps: []step.Step{
				step.Mkdir{Path: "/it's", Mode: 0o755}, step.Chdir{Path: "/it's"},
			}},
			{Steps: []step.Step{step.Umask{Mask: 0o22}}},
		}, `
# The namespace starts with a copy of the host's mounts. Cut the ties, so that
# nothing mounted from here on shows on the host. See mount_namespaces(7).
mount --make-rprivate /

# A word that is longer than a line:
# ` + strings.Repeat("x", 80) + `
# stands alone.
mkdir -m 0755 '/it'\''s'
cd '/it'\''s'

umask 0022
`},
		{"wrappers of one group as one command", step.Plan{
			{Why: "Give up power.", Steps: []step.Step{
				step.Umask{Mask: 0o22},
				step.Setsid{},
				step.User{UID: 1, GID: 2, Groups: []uint32{3, 4}},
				step.NoNewPrivs{},
				step.Exec{Files: step.LookPath("ls", "/a:/bin"), Args: []string{"ls", "-l", "a b"}, Env: []string{"PATH=/a:/bin", "A=b c"}},
			}},
		}, `
# Give up power.
umask 0022
exec setsid --wait \
  setpriv --reuid 1 --regid 2 --groups 3,4 \
    --no-new-privs \
  env -i PATH=/a:/bin 'A=b c' ls -l 'a b'
`},
		{"wrappers of several groups as one command, their comments before it", step.Plan{
			{Why: "A session.", Steps: []step.Step{step.Setsid{}}},
			{Why: "No privileges.", Steps: []step.Step{step.NoNewPrivs{}}},
			{Why: "The command.", Steps: []step.Step{justTrue}},
		}, `
# A session.

# No privileges.

# The command.
exec setsid --wait \
  setpriv --no-new-privs \
  env -i /bin/true
`},
		{"a wrapper before other steps as a new shell", step.Plan{
			{Why: "A root.", Steps: []step.Step{step.Chroot{Path: "/x"}, step.Umask{Mask: 0}, step.Setsid{}}},
			{Why: "More.", Steps: []step.Step{step.Umask{Mask: 0o77}, step.NoNewPrivs{}}},
		}, `
# A root.
exec chroot /x \
  /bin/sh -s
umask 0000
exec setsid --wait \
  /bin/sh -s

# More.
umask 0077
exec setpriv --no-new-privs \
  /bin/sh -s
`},
	} {
		var b strings.Builder
		if err := c.plan.Print(&b); err != nil {
			t.Fatal(err)
		}
		if got, want := b.String(), strings.TrimPrefix(c.want, "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
		}
		check := exec.Command("sh", "-n")
		check.Stdin = strings.NewReader(b.String())
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: sh does not understand it: %s", c.name, out)
		}
	}
}

func TestAPrintedPlanRuns(t *testing.T) {
	show := `grep -E '^(Uid|CapBnd|NoNewPrivs)' /proc/self/status; umask; echo $X; set -- $(cat /proc/self/stat); [ $6 = $$ ] && echo leader`
	plan := step.Plan{
		{Why: "A mask,", Steps: []step.Step{step.Umask{Mask: 0o27}}},
		{Why: "less power,", Steps: []step.Step{step.Setsid{}, step.DropBounding{Drop: known}, step.User{UID: 7, GID: 8}, step.NoNewPrivs{}}},
		{Why: "and a command.", Steps: []step.Step{step.Exec{Files: step.LookPath("sh", "/usr/bin:/bin"), Args: []string{"sh", "-c", show}, Env: []string{"PATH=/usr/bin:/bin", "X=a  b"}}}},
	}
	var script strings.Builder
	if err := plan.Print(&script); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-ec", script.String()).CombinedOutput()
	want := "Uid:\t7\t7\t7\t7\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n0027\na b\nleader\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\ngot\n%s\nwant\n%s", err, &script, out, want)
	}
}

func TestAWordIsQuotedForSh(t *testing.T) {
	for _, word := range []string{"", "a", "a b", hostile, "'", "''", "\\", "~", "a=b", "*", "é", "\t", "\x01\xff", "$(id)", "#", "!x", "{a,b}"} {
		out, err := exec.Command("sh", "-c", "printf '%s.' "+step.Quote(word)).Output()
		if err != nil || string(out) != word+"." {
			t.Errorf("%q: sh reads %s as %q, %v", word, step.Quote(word), out, err)
		}
	}
}

func TestAWriterThatFailsEndsThePrinting(t *testing.T) {
	plan := step.Plan{{Why: "x", Steps: []step.Step{step.Umask{}}}}
	if err := plan.Print(full{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestMountOptionsBecomeFlags(t *testing.T) {
	for _, c := range []struct {
		words string
		flags uintptr
		data  string
	}{
		{"", 0, ""},
		{"defaults", 0, ""},
		{"ro,nosuid,nodev,noexec,relatime", unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RELATIME, ""},
		{"rbind,ro", unix.MS_BIND | unix.MS_REC | unix.MS_RDONLY, ""},
		{"bind,remount", unix.MS_BIND | unix.MS_REMOUNT, ""},
		{"ro,rw", 0, ""},
		{"rw,ro", unix.MS_RDONLY, ""},
		{"nosuid,suid,nodev", unix.MS_NODEV, ""},
		{"mode=755,nosuid,size=1k,colour", unix.MS_NOSUID, "mode=755,size=1k,colour"},
	} {
		flags, data := step.MountFlags(strings.Split(c.words, ","))
		if flags != c.flags || data != c.data {
			t.Errorf("%s: got %#x %q, want %#x %q", c.words, flags, data, c.flags, c.data)
		}
	}
}

func TestCapabilitiesHaveTheNamesOfSetprivAndTheSpec(t *testing.T) {
	out, err := exec.Command("setpriv", "--list-caps").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := known.Names()
	words := strings.Fields(string(out))
	for i, word := range words[:min(len(words), len(names))] {
		set, err := step.ParseCap(word)
		if err != nil || set != 1<<i {
			t.Errorf("capability %d, %s: got %#x, %v", i, word, uint64(set), err)
		}
		if want := "CAP_" + strings.ToUpper(word); names[i] != want {
			t.Errorf("capability %d: got %s, want %s", i, names[i], want)
		}
		if again, err := step.ParseCap(names[i]); err != nil || again != set {
			t.Errorf("%s: got %#x, %v", names[i], uint64(again), err)
		}
	}
	if len(words) < 38 {
		t.Errorf("setpriv lists only %d", len(words))
	}
	for _, name := range []string{"", "cap_", "CAP_", "root", "cap_cap_chown"} {
		if set, err := step.ParseCap(name); err == nil {
			t.Errorf("%q is %v", name, set.Names())
		}
	}
}
