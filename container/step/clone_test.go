package step_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// eitherMemory runs a test with children that copy the memory of this process,
// and with children that share it.
func eitherMemory(t *testing.T, test func(*testing.T)) {
	for name, dumpable := range map[string]uintptr{"copied": 1, "shared": 0} {
		t.Run(name, func(t *testing.T) {
			setDumpable(t, dumpable)
			test(t)
		})
	}
}

func setDumpable(t *testing.T, dumpable uintptr) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, dumpable, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) })
}

func TestMemoryIsSharedOnlyWhereNobodyCanTraceTheChild(t *testing.T) {
	// The thread of a parent whose memory is shared does not come back.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.NumCPU())))
	able := runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"
	for _, c := range []struct {
		flags    uintptr
		dumpable uintptr
		want     bool
	}{
		{allNew, 0, able},
		{allNew, 1, false},
		{allNew &^ unix.CLONE_NEWPID, 0, false},
		{allNew | unix.CLONE_NEWUSER, 0, false},
	} {
		setDumpable(t, c.dumpable)
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := try(step.Clone{Flags: c.flags}, step.Write{Path: fifo, Data: "x"}, justTrue)
			done <- err
		}()
		const vm = 1 // KCMP_VM
		different, _, errno := syscall.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(onlyChild(t)), vm, 0, 0, 0)
		if _, err := os.ReadFile(fifo); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if errno == unix.ENOSYS {
			t.Skip("the kernel has no kcmp(2)")
		}
		if errno != 0 || (different == 0) != c.want {
			t.Errorf("flags %#x, dumpable %d: kcmp says %d, %v; to be shared: %t", c.flags, c.dumpable, different, errno, c.want)
		}
	}
}

// onlyChild waits until this process has a child.
func onlyChild(t *testing.T) int {
	t.Helper()
	for range 5000 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			var pid int
			children, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
			if _, err := fmt.Sscan(string(children), &pid); err == nil {
				return pid
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("there is no child")
	return 0
}

func TestTheThreadEntersAndLeavesAroundTheClone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dir := t.TempDir()
	const noRandomize = 0x40000
	enter := []step.Step{step.Mkdir{Path: dir + "/in", Mode: 0o700}, personality(noRandomize)}
	leave := []step.Step{personality(0), step.Rmdir{Path: dir + "/in"}}
	left := func(name string) {
		t.Helper()
		if _, err := os.Stat(dir + "/in"); err == nil {
			t.Errorf("%s: the directory is there still", name)
		}
		if b, err := os.ReadFile("/proc/thread-self/personality"); err != nil || string(b) != "00000000\n" {
			t.Errorf("%s: the thread has personality %s, %v", name, b, err)
		}
	}

	cat := step.Exec{Files: []string{"/bin/cat"}, Args: []string{"cat", "/proc/self/personality"}}
	if got := output(t, step.Clone{Enter: enter, Leave: leave}, cat); got != "00040000\n" {
		t.Errorf("the child has personality %s", got)
	}
	left("success")

	_, err := step.Plan{{Steps: []step.Step{justTrue}}}.Fork(step.Clone{Flags: unix.CLONE_NEWNS | unix.CLONE_FS, Enter: enter, Leave: leave})
	var failed *step.Error
	if !errors.As(err, &failed) || failed.Err != unix.EINVAL {
		t.Errorf("the clone did not fail: %v", err)
	}
	left("the clone fails")

	_, err = step.Plan{{Steps: []step.Step{justTrue}}}.Fork(step.Clone{Enter: append(enter[:2:2], step.Chdir{Path: "/no/such"}), Leave: leave})
	if !errors.As(err, &failed) || failed.Index != 3 || failed.Err != unix.ENOENT {
		t.Errorf("entering did not fail: %v", err)
	}
	left("entering fails")
	noChildren(t)
}

// personality sets an attribute of the thread that a child inherits, through
// exec too. See personality(2).
type personality uintptr

func (personality) Shell() string   { return "setarch" }
func (personality) Undo() step.Step { return nil }
func (p personality) Do() error {
	if _, _, errno := syscall.RawSyscall(unix.SYS_PERSONALITY, uintptr(p), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func TestAThreadThatCantLeaveIsNotUsedAgain(t *testing.T) {
	type result struct {
		err    error
		thread int
	}
	done := make(chan result)
	go func() {
		_, err := step.Plan{{Steps: []step.Step{justTrue}}}.Fork(step.Clone{Leave: []step.Step{step.Chdir{Path: "/no/such"}}})
		done <- result{err, unix.Gettid()}
	}()
	r := <-done
	if !errors.Is(r.err, unix.ENOENT) {
		t.Errorf("got %v", r.err)
	}
	noChildren(t)
	if r.thread == os.Getpid() {
		return // the main thread is not ended, but parked
	}
	for range 1000 {
		if err := unix.Tgkill(os.Getpid(), r.thread, 0); errors.Is(err, unix.ESRCH) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the thread is still there")
}

func TestAChildIsBornInItsCgroupAndSeesItAsTheRoot(t *testing.T) {
	mount := ""
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(dir + "/cgroup.controllers"); err == nil {
			mount = dir
		}
	}
	if mount == "" {
		t.Skip("no hierarchy of cgroup version 2 is mounted")
	}
	dir, err := os.MkdirTemp(mount, "step-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Rmdir(dir); err != nil {
			t.Error(err)
		}
	}()
	cat := step.Exec{Files: []string{"/bin/sh"}, Args: []string{"sh", "-c", "grep ^0: /proc/self/cgroup; cat " + dir + "/cgroup.procs"}}
	if got, want := output(t, step.Clone{CgroupPath: dir}, cat), "0::/"+filepath.Base(dir)+"\n"; !strings.HasSuffix(strings.SplitAfter(got, "\n")[0], want) || len(strings.Fields(got)) != 3 {
		t.Errorf("born elsewhere: got %q, want %q and two processes", got, want)
	}
	if got := output(t, step.Clone{Flags: unix.CLONE_NEWCGROUP, CgroupPath: dir}, cat); !strings.HasPrefix(got, "0::/\n") {
		t.Errorf("the root is not the cgroup: got %q", got)
	}
	_, err = step.Plan{{Steps: []step.Step{justTrue}}}.Fork(step.Clone{CgroupPath: dir + "/none"})
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("a cgroup that is not there: %v", err)
	}
}

func TestACloneHasTheNamespacesOfItsPrintedLine(t *testing.T) {
	words := []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}
	list := step.Exec{Files: []string{"/bin/sh"}, Args: []string{"/bin/sh", "-c", "cd /proc/self/ns && readlink " + strings.Join(words, " ")}}
	changed := func(links string) string {
		var b strings.Builder
		for _, link := range strings.Fields(links) {
			kind, _, _ := strings.Cut(link, ":")
			own, err := os.Readlink("/proc/thread-self/ns/" + kind)
			if err != nil {
				t.Fatal(err)
			}
			if link != own {
				b.WriteString(kind + " ")
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		flags uintptr
		want  string
	}{
		{0, ""},
		{unix.CLONE_NEWCGROUP, "cgroup "},
		{unix.CLONE_NEWIPC, "ipc "},
		{unix.CLONE_NEWNS, "mnt "},
		{unix.CLONE_NEWNET, "net "},
		{unix.CLONE_NEWPID, "pid "},
		{unix.CLONE_NEWUTS, "uts "},
		{unix.CLONE_NEWUSER, "user "},
		{allNew, "cgroup ipc mnt net pid uts "},
	} {
		clone := step.Clone{Flags: c.flags}
		if got := changed(output(t, clone, list)); got != c.want {
			t.Errorf("%s: forked with new %q, want %q", clone.Shell(), got, c.want)
		}
		line := "exec " + clone.Shell() + " " + list.Shell()
		if got := changed(output(t, step.Clone{}, step.Exec{Files: []string{"/bin/sh"}, Args: []string{"sh", "-c", line}, Env: environ})); got != c.want {
			t.Errorf("%s: printed with new %q, want %q", clone.Shell(), got, c.want)
		}
	}
}
