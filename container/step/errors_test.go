package step_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

func TestAnErrorNamesItsStep(t *testing.T) {
	err := error(&step.Error{
		Index: 14, Total: 23,
		Step: step.Mount{Source: "proc", Target: "/proc", Type: "proc", Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		Err:  unix.EPERM,
	})
	if want := "step 14 of 23: mount -t proc -o nosuid,nodev,noexec proc /proc: operation not permitted"; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if !errors.Is(err, os.ErrPermission) {
		t.Error("the cause is lost")
	}
}

func TestAKnownCauseHasAHint(t *testing.T) {
	overlay := step.Mount{Source: "overlay", Target: "/m", Type: "overlay"}
	bind := step.Mount{Source: "/a", Target: "/b", Flags: unix.MS_BIND}
	run := step.Exec{Files: []string{"/bin/x"}, Args: []string{"x"}}
	for _, c := range []struct {
		step  step.Step
		errno syscall.Errno
		want  string // a part of the hint, "" for none
	}{
		{overlay, unix.ENODEV, "modprobe overlay"},
		{overlay, unix.EINVAL, "--root"},
		{overlay, unix.ELOOP, "--root"},
		{overlay, unix.ENOSPC, ""},
		{bind, unix.EPERM, "security module"},
		{bind, unix.EACCES, "security module"},
		{bind, unix.ENOENT, ""},
		{bind, unix.EINVAL, ""},
		{step.MoveMount{Source: "/a", Target: "/b"}, unix.ENOTDIR, "a file on a file"},
		{step.MoveMount{Source: "/a", Target: "/b"}, unix.ENOSYS, "requires Linux 5.2"},
		{step.PivotRoot{New: ".", Old: "."}, unix.EINVAL, "first ramfs"},
		{step.PivotRoot{New: ".", Old: "."}, unix.EPERM, "security module"},
		{step.Rlimit{Resource: "nofile"}, unix.EPERM, "CAP_SYS_RESOURCE"},
		{step.Rlimit{Resource: "nofile"}, unix.EINVAL, ""},
		{step.CloseFrom{First: 3}, unix.EINVAL, "requires Linux 5.11"},
		{step.CloseFrom{First: 3}, unix.ENOSYS, "requires Linux 5.11"},
		{run, unix.ENOEXEC, "another platform"},
		{run, unix.ENOENT, "dynamic loader"},
		{step.Exec{Files: []string{"/a/x", "/b/x"}, Args: []string{"x"}}, unix.ENOENT, ""},
		{run, unix.EACCES, ""},
		{step.Clone{Flags: unix.CLONE_NEWNS}, unix.EPERM, "security module"},
		{step.Clone{Flags: unix.CLONE_NEWUSER}, unix.EPERM, "run as root"},
		{step.Clone{}, unix.ENOSPC, "max_*_namespaces"},
		{step.Clone{}, unix.EINVAL, "CONFIG_NAMESPACES"},
		{step.Clone{}, unix.ENOSYS, "Linux 5.3"},
		{step.Clone{}, unix.EAGAIN, "pids.max"},
		{step.Chdir{Path: "/"}, unix.EPERM, ""},
	} {
		err := fmt.Errorf("start: %w", &step.Error{Index: 1, Total: 1, Step: c.step, Err: c.errno})
		got := step.Hint(err)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v: got hint %q, want one with %q", c.step.Shell(), c.errno, got, c.want)
		}
		if strings.Contains(got, "\n") {
			t.Errorf("more than a line: %q", got)
		}
	}
	if got := step.Hint(errors.New("another")); got != "" {
		t.Errorf("an error of no step has hint %q", got)
	}
	if got := step.Hint(nil); got != "" {
		t.Errorf("no error has hint %q", got)
	}
}

// troubles are failures that this machine produces, each in a process of its
// own.
var troubles = []trouble{
	{
		name: "no CAP_SYS_ADMIN, clone", prefix: "setpriv --bounding-set -sys_admin",
		clone: step.Clone{Flags: unix.CLONE_NEWUTS},
		want:  "step 1 of 1: unshare --uts --fork: operation not permitted\nroot lacks CAP_SYS_ADMIN here: inside another container, start that one with --privileged",
	},
	{
		name: "no CAP_SYS_ADMIN, mount", prefix: "setpriv --bounding-set -sys_admin",
		steps: []step.Step{step.Mount{Source: "x", Target: "/mnt", Type: "tmpfs"}},
		want:  "step 1 of 2: mount -t tmpfs x /mnt: operation not permitted\nroot lacks CAP_SYS_ADMIN here: inside another container, start that one with --privileged",
	},
	{
		name: "not root", prefix: "setpriv --reuid 1000 --regid 1000 --clear-groups",
		steps: []step.Step{step.Mount{Source: "x", Target: "/mnt", Type: "tmpfs"}},
		want:  "step 1 of 2: mount -t tmpfs x /mnt: operation not permitted\nthis needs CAP_SYS_ADMIN: run gocker as root",
	},
	{
		name: "user namespaces forbidden", prefix: "unshare --user --map-root-user",
		before: "echo 0 > /proc/sys/user/max_user_namespaces",
		clone:  step.Clone{Flags: unix.CLONE_NEWUSER},
		want:   "step 1 of 1: unshare --user --fork: no space left on device\na limit on the number of namespaces is reached: see /proc/sys/user/max_*_namespaces",
	},
	{
		name: "a root that is shared", prefix: "unshare --mount --propagation private",
		before: "mount --make-shared / && mkdir -p /mnt && mount -t tmpfs x /mnt && mkdir /mnt/new && mount --rbind / /mnt/new && mount --make-shared /mnt",
		steps:  []step.Step{step.Chdir{Path: "/mnt/new"}, step.PivotRoot{New: ".", Old: "."}},
		want:   "step 2 of 3: pivot_root . .: invalid argument\npivot_root needs a root that is a mount point, is not shared with other namespaces, and does not lie on the kernel's first ramfs",
	},
	{
		name: "an overlay on an overlay", prefix: "unshare --mount --propagation private",
		before: "mount -t tmpfs x /mnt && cd /mnt && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w o m && mkdir m/u m/w n",
		steps:  []step.Step{step.Chdir{Path: "/mnt"}, step.Mount{Source: "o", Target: "n", Type: "overlay", Data: "lowerdir=l,upperdir=m/u,workdir=m/w"}},
		want:   "step 2 of 3: mount -t overlay -o lowerdir=l,upperdir=m/u,workdir=m/w o n: invalid argument\noverlayfs refuses an upper directory on another overlay, on NFS, or on a filesystem without xattrs: give --root a directory on ext4, xfs or tmpfs",
	},
	{
		name:  "a filesystem that the kernel lacks",
		steps: []step.Step{step.Mount{Source: "x", Target: "/mnt", Type: "nosuchfs"}},
		want:  "step 1 of 2: mount -t nosuchfs x /mnt: no such device\nthe kernel has no nosuchfs filesystem: load it with 'modprobe nosuchfs', or use a kernel that has it",
	},
}

type trouble struct {
	name   string
	prefix string // a command that executes another
	before string // done by sh behind the prefix
	clone  step.Clone
	steps  []step.Step
	want   string
}

func TestTroubleOfThisMachineIsExplained(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Another user can't reach the directory of the test binary, but can
	// execute what is open.
	binary, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, c := range troubles {
		line := "exec /proc/self/fd/3"
		if c.before != "" {
			line = c.before + " && " + line
		}
		cmd := exec.Command("sh", "-ec", "exec "+c.prefix+" sh -ec "+step.Quote(line))
		cmd.ExtraFiles = []*os.File{binary}
		cmd.Env = append([]string{caseVariable + "=" + c.name, wayVariable + "=" + byTrouble}, environ...)
		out, err := cmd.CombinedOutput()
		if got := string(out); err != nil || got != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, c.want)
		}
	}
}

// runTrouble is the helper: it prints the error and the hint.
func runTrouble(name string) int {
	for _, c := range troubles {
		if c.name == name {
			_, err := step.Plan{{Steps: append(c.steps, justTrue)}}.Fork(c.clone)
			fmt.Print(err, "\n", step.Hint(err))
		}
	}
	return 0
}
