package step_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

func TestAProcessHasTheFilesThatItIsGivenAndNoOther(t *testing.T) {
	open := func() *os.File {
		f, err := os.Open("/etc/hostname")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	fd, err := unix.Dup(int(open().Fd())) // not closed by exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	out, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(out), "output")
	defer f.Close()
	list := step.Exec{Files: []string{"/bin/sh"}, Args: []string{"sh", "-c", "for n in 0 1 2 4 5 6 7; do echo $n $(readlink /proc/$$/fd/$n); done"}}
	proc, err := step.Plan{{Steps: []step.Step{list}}}.Fork(step.Clone{Files: []*os.File{nil, f, nil, nil, nil, open(), open()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := wait(proc); err != nil {
		t.Error(err)
	}
	got := make([]byte, 4096)
	n, _ := f.ReadAt(got, 0)
	const want = "0 /dev/null\n1 /memfd:output (deleted)\n2 /dev/null\n4\n5 /etc/hostname\n6 /etc/hostname\n7\n"
	if string(got[:n]) != want {
		t.Errorf("got\n%swant\n%s", got[:n], want)
	}
}

func TestFilesInTheWayOfEachOtherArePassedOn(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for n := 3; n < 40; n++ {
		// All but the first few have a lower number than their place.
		files := make([]*os.File, n)
		for i := range files {
			files[i] = null
		}
		proc, err := step.Plan{{Steps: []step.Step{step.Exec{Files: []string{"/bin/true"}, Args: []string{"true"}}}}}.Fork(step.Clone{Files: files})
		if err != nil {
			t.Fatalf("%d files: %v", n, err)
		}
		if err := wait(proc); err != nil {
			t.Errorf("%d files: %v", n, err)
		}
	}
}

// heirOf is sh as an heir, with out as its descriptor 3.
func heirOf(t *testing.T, out *os.File, script string) *step.Heir {
	t.Helper()
	sh, err := os.OpenFile("/bin/sh", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sh.Close() })
	return &step.Heir{Program: sh, Args: []string{"sh", "-c", script}, Env: environ, Files: []*os.File{out}}
}

func TestAnHeirIsTheParentOfTheProcess(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// What the process does after its starter has gone is waited for by the heir.
	gate, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command := step.Exec{Files: []string{"/bin/sh"}, Args: []string{"sh", "-c", "read line; exit 7"}, Env: environ}
	proc, err := step.Plan{{Steps: []step.Step{command}}}.Fork(step.Clone{
		Flags: unix.CLONE_NEWPID,
		Files: []*os.File{gate},
		Heir:  heirOf(t, w, `read child </proc/$$/task/$$/children; echo $child $(readlink /proc/self/fd/0) >&3`),
	})
	if err != nil {
		t.Fatal(err)
	}
	gate.Close()
	w.Close()
	if err := proc.Bequeath(); err != nil {
		t.Error(err)
	}
	said, err := io.ReadAll(r)
	if want := fmt.Sprintf("%d /dev/null\n", proc.Pid); err != nil || string(said) != want {
		t.Errorf("the heir says %q, %v, want %q", said, err, want)
	}
	hold.Close()
	if _, err := unix.Wait4(-1, nil, 0, nil); err != nil {
		t.Error(err)
	}
	noChildren(t)
}

func TestAProcessIsWaitedForUntilItsRelease(t *testing.T) {
	for _, c := range []struct {
		script string
		want   string
	}{
		{"exit 0", "exit 0"},
		{"exit 7", "exit 7"},
		{"exit 255", "exit 255"},
		{"kill -TERM $$", "signal 15"},
		{"ulimit -c 0; kill -SEGV $$", "signal 11"},
	} {
		sh := step.Exec{Files: []string{"/bin/sh"}, Args: []string{"sh", "-c", c.script}, Env: environ}
		proc, err := step.Plan{{Steps: []step.Step{sh}}}.Fork(step.Clone{})
		if err != nil {
			t.Fatal(err)
		}
		status, err := proc.Wait()
		got := fmt.Sprintf("exit %d", status.ExitStatus())
		if status.Signaled() {
			got = fmt.Sprintf("signal %d", status.Signal())
		}
		if err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.script, got, err, c.want)
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", proc.Pid)); err != nil {
			t.Errorf("%s: the pid may be another's already: %v", c.script, err)
		}
		if err := proc.Release(); err != nil {
			t.Error(err)
		}
	}
	noChildren(t)
}

func TestAFailedProcessHasNoHeir(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lost := step.Plan{{Steps: []step.Step{step.Exec{Files: []string{"/no/such"}, Args: []string{"such"}}}}}
	for range 100 {
		if _, err := lost.Fork(step.Clone{Heir: heirOf(t, w, "echo heir >&3")}); !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	}
	w.Close()
	if said, err := io.ReadAll(r); err != nil || len(said) > 0 {
		t.Errorf("%q, %v", said, err)
	}
	noChildren(t)
}

func TestTheEndOfAKeeperIsAnErrorOfItsProcess(t *testing.T) {
	sleep := step.Exec{Files: []string{"/bin/sleep"}, Args: []string{"sleep", "100"}}
	proc, err := step.Plan{{Steps: []step.Step{sleep}}}.Fork(step.Clone{Flags: unix.CLONE_NEWPID})
	if err != nil {
		t.Fatal(err)
	}
	keeper := childOf(os.Getpid())
	if err := unix.Kill(keeper, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status, err := proc.Wait(); err == nil {
		t.Errorf("the process ended with %#x", status)
	}
	if err := unix.PidfdSendSignal(int(proc.PidFD.Fd()), unix.SIGKILL, nil, 0); err != nil {
		t.Error(err)
	}
	if err := proc.Release(); err != nil {
		t.Error(err)
	}
	noChildren(t)
}

func TestAContainerFindsNothingOfGockerInItself(t *testing.T) {
	dir := t.TempDir()
	// The kernel resolves the interpreter while the process is the keeper's
	// program still.
	if err := os.WriteFile(dir+"/script", []byte("#!/proc/self/exe\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	fifo := dir + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	type made struct {
		proc *step.Process
		err  error
	}
	forked := make(chan made)
	go func() {
		proc, err := step.Plan{{Steps: []step.Step{
			step.Write{Path: fifo, Data: "x"}, // waits for a reader
			step.Exec{Files: []string{dir + "/script"}, Args: []string{"script"}},
		}}}.Fork(step.Clone{})
		forked <- made{proc, err}
	}()
	var child int
	for child == 0 {
		child = childOf(childOf(os.Getpid()))
	}
	exe := fmt.Sprintf("/proc/%d/exe", child)
	if name, err := os.Readlink(exe); err != nil || name != "/memfd:keeper (deleted)" {
		t.Errorf("it executes %q, %v", name, err)
	}
	if f, err := os.Open(exe); err != nil {
		t.Error(err)
	} else {
		seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
		if want := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE; err != nil || seals != want {
			t.Errorf("the seals are %#x, %v, want %#x", seals, err, want)
		}
		f.Close()
	}
	if _, err := os.ReadFile(fifo); err != nil {
		t.Error(err)
	}
	m := <-forked
	if m.err != nil {
		t.Fatal(m.err)
	}
	// It does not begin again.
	if status, err := m.proc.Wait(); err != nil || status.ExitStatus() != 253 {
		t.Errorf("it ended with %#x, %v", status, err)
	}
	if err := m.proc.Release(); err != nil {
		t.Error(err)
	}
}

// childOf returns a child of a process, 0 if it has none. See proc_pid_task(5).
func childOf(pid int) int {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		var child int
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if _, err := fmt.Sscan(string(children), &child); err == nil {
			return child
		}
	}
	return 0
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
	if got := output(t, step.Clone{CgroupPath: dir}, step.Unshare{Flags: unix.CLONE_NEWCGROUP}, cat); !strings.HasPrefix(got, "0::/\n") {
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
