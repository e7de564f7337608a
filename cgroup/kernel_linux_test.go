package cgroup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

// These tests ask the kernel. They run on the host as it is and, where it has
// both versions, on each version alone.

func TestProcessIsBornInItsGroupUnderItsLimits(t *testing.T) {
	host := openHost(t)
	r, files := allLimits(t, host)
	g := makeGroup(t, host, r)
	before := readFile(t, "/proc/thread-self/cgroup")

	p := start(t, g, "echo ready; read end")
	p.expect(t, "ready")
	for _, f := range files {
		hier, _ := host.find(f.controller)
		if got := strings.TrimSpace(readFile(t, filepath.Join(g.dir(hier), f.name))); got != f.want {
			t.Errorf("%s: got %s, want %s", f.name, got, f.want)
		}
	}
	for line := range strings.Lines(readFile(t, fmt.Sprintf("/proc/%d/cgroup", p.Process.Pid))) {
		if !strings.HasSuffix(line, ":"+g.path+"\n") && mounted(host, line) {
			t.Errorf("the process is not in its group: %s", line)
		}
	}
	if after := readFile(t, "/proc/thread-self/cgroup"); after != before {
		t.Errorf("the thread did not return to its groups: it was in\n%sand is in\n%s", before, after)
	}

	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.MemoryLimit != 64<<20 || s.PidsLimit != 50 {
		t.Errorf("stats have other limits: %+v", s)
	}
	if s.Pids != 1 || s.Memory == 0 || s.CPU == 0 {
		t.Errorf("stats of one running shell: %+v", s)
	}
	pids, err := g.Procs()
	if err != nil || len(pids) != 1 || pids[0] != p.Process.Pid {
		t.Errorf("processes: got %v and %v, want %d", pids, err, p.Process.Pid)
	}
	p.end(t)
}

func TestControllerOfVersion2IsHandedDown(t *testing.T) {
	host := openHost(t)
	for _, f := range []setting{{"memory", "memory.high", "33554432"}, {"hugetlb", "hugetlb.2MB.max", "4194304"}} {
		if host.v2 == nil || !host.v2.has(f.controller) {
			t.Logf("not tested, as version 2 lacks it here: controller %s", f.controller)
			continue
		}
		control := filepath.Join(host.v2.dir, "cgroup.subtree_control")
		if !strings.Contains(readFile(t, control), f.controller) {
			t.Cleanup(func() {
				if err := write(control, "-"+f.controller); err != nil {
					t.Error(err)
				}
			})
		}
		g := makeGroup(t, host, &specs.LinuxResources{Unified: map[string]string{f.name: f.want}})
		if got := strings.TrimSpace(readFile(t, filepath.Join(g.V2Dir(), f.name))); got != f.want {
			t.Errorf("%s: got %s, want %s", f.name, got, f.want)
		}
	}
}

func TestPidsLimitOfOneStartsAndCanNotFork(t *testing.T) {
	host := openHost(t)
	if c, _ := host.find("pids"); c == nil {
		t.Skip("the host has no controller pids")
	}
	g := makeGroup(t, host, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(1))}})
	p := start(t, g, "echo ready; /bin/true; echo forked")
	p.expect(t, "ready")
	rest, _ := io.ReadAll(p.out)
	if err := p.Wait(); err == nil || len(rest) > 0 {
		t.Errorf("a second process was made: %q", rest)
	}
}

func TestKillEndsATreeThatForksMeanwhile(t *testing.T) {
	eachVersion(t, func(t *testing.T, host *Host) {
		g := makeGroup(t, host, nil)
		p := start(t, g, `fork() { while :; do sleep 0.005 & sleep 0.005; done; }
			fork & fork & fork & sleep 1000 & echo ready; wait`)
		p.expect(t, "ready")
		if pids, err := g.Procs(); err != nil || len(pids) < 5 {
			t.Fatalf("the tree has processes %v, %v", pids, err)
		}
		for range 2 {
			if err := g.Kill(); err != nil {
				t.Fatal(err)
			}
			if pids, err := g.Procs(); err != nil || len(pids) > 0 {
				t.Errorf("after kill: processes %v, %v", pids, err)
			}
		}
		if p.Wait(); p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("the first process ended with %v", p.ProcessState)
		}
		if err := step.Plan(g.Plan()).Undo(); err != nil {
			t.Fatal(err)
		}
		if err := g.Kill(); err != nil {
			t.Errorf("kill of a group that is gone: %v", err)
		}
	})
}

func TestOOMKillIsCounted(t *testing.T) {
	host := openHost(t)
	if c, _ := host.find("memory"); c == nil {
		t.Skip("the host has no controller memory")
	}
	limit := new(int64(20 << 20))
	r := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: limit}}
	if host.SwapLimit() {
		r.Memory.Swap = limit
	}
	g := makeGroup(t, host, r)
	if e, err := g.Events(); err != nil || e.OOMKills != 0 {
		t.Fatalf("a new group has %+v, %v", e, err)
	}
	p := start(t, g, "exec tail /dev/zero")
	if p.Wait(); p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v", p.ProcessState)
	}
	if e, err := g.Events(); err != nil || e.OOMKills != 1 {
		t.Errorf("got %+v, %v, want one kill", e, err)
	}
	if s, err := g.Stats(); err != nil || s.MemoryPeak < 15<<20 || s.MemoryPeak > 20<<20 {
		t.Errorf("peak of memory: %+v, %v", s, err)
	}
	if err := step.Plan(g.Plan()).Undo(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Events(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("events of a group that is gone: %v", err)
	}
	if _, err := g.Stats(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stats of a group that is gone: %v", err)
	}
}

func TestDeviceFilterDeniesWhatIsNotAllowed(t *testing.T) {
	null, zero := device{'c', 1, 3, accessAll}, device{'c', 1, 5, accessAll}
	write := device{'c', 1, 5, accessWrite}
	for _, c := range []struct {
		name  string
		rules []specs.LinuxDeviceCgroup
		want  string // what of the script goes well
	}{
		{"none but null", []specs.LinuxDeviceCgroup{all(false), rule(true, null)}, "mknod-null open-null"},
		{"all but zero", []specs.LinuxDeviceCgroup{all(true), rule(false, zero)}, "mknod-null open-null"},
		{"all but writing zero", []specs.LinuxDeviceCgroup{all(true), rule(false, write)}, "mknod-null mknod-zero open-null read-zero"},
		{"no rules", nil, "mknod-null mknod-zero open-null read-zero write-zero"},
	} {
		eachVersion(t, func(t *testing.T, host *Host) {
			t.Run(c.name, func(t *testing.T) {
				g := makeGroup(t, host, &specs.LinuxResources{Devices: c.rules})
				dir := t.TempDir()
				p := start(t, g, `cd `+dir+`
					mknod null c 1 3 && echo mknod-null
					mknod zero c 1 5 && echo mknod-zero
					: <> /dev/null && echo open-null
					(: < /dev/zero) && echo read-zero
					(: > /dev/zero) && echo write-zero
					true`)
				out, _ := io.ReadAll(p.out)
				if err := p.Wait(); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(strings.Fields(string(out)), " "); got != c.want {
					t.Errorf("went well: %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestContainerSeesItsGroupAsTheRoot(t *testing.T) {
	eachVersion(t, func(t *testing.T, host *Host) {
		g := makeGroup(t, host, nil)
		target := t.TempDir()
		var script strings.Builder
		for _, s := range g.Mounts(target, true) {
			fmt.Fprintln(&script, s.Shell())
		}
		// Every hierarchy has the shell itself at its top, and can't be
		// written to.
		fmt.Fprintf(&script, `cd %s
			if [ -e cgroup.procs ]; then all=.; else all=*; mkdir x && echo the tmpfs is writable; fi
			tops=
			for top in $all; do
				[ -L $top ] && continue
				tops="$tops $top"
				grep -qx $$ $top/cgroup.procs || echo $top has not this process
				mkdir $top/x && echo $top is writable
			done
			echo $tops
			read end`, target)
		p := start(t, g, `exec unshare --mount --cgroup --propagation private sh -c "$0" 2>/dev/null`, script.String())
		var want []string
		for _, h := range host.v1 {
			want = append(want, filepath.Base(h.dir))
		}
		if host.v2 != nil && len(host.v1) > 0 {
			want = append(want, "unified")
		}
		if len(want) == 0 {
			want = []string{"."}
		}
		slices.Sort(want)
		if got := p.line(t); got != strings.Join(want, " ") {
			t.Errorf("the container sees %q, want %q", got, want)
		}
		p.end(t)
	})
}

func TestUndoLeavesNoDirectoryAndCanBeRepeated(t *testing.T) {
	host := openHost(t)
	r, _ := allLimits(t, host)
	g := makeGroup(t, host, r)
	for _, dir := range g.dirs() {
		// What a container with its own init system leaves.
		if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := step.Plan(g.Plan()).Undo(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range g.dirs() {
			if exists(dir) {
				t.Errorf("%s is left", dir)
			}
		}
	}
}

func TestPlanThatFailsAtAnyStepLeavesNoDirectory(t *testing.T) {
	host := openHost(t)
	r, _ := allLimits(t, host)
	g := makeGroup(t, host, r)
	plan := step.Plan(g.Plan())
	if err := plan.Undo(); err != nil {
		t.Fatal(err)
	}
	steps := plan.Steps()
	refused := step.Write{Path: "/proc/version", Data: "x"}
	for i := range len(steps) + 1 {
		cut := step.Plan{{Steps: append(append([]step.Step{}, steps[:i]...), refused)}}
		var failed *step.Error
		if err := cut.Do(); !errors.As(err, &failed) || failed.Step != refused {
			t.Fatalf("plan cut at step %d: %v", i, err)
		}
		for _, dir := range g.dirs() {
			if exists(dir) {
				t.Errorf("%s is left after a failure at step %d", dir, i)
			}
		}
	}
}

// BenchmarkGroup is what a container pays: looking, planning, making, and removing.
func BenchmarkGroup(b *testing.B) {
	host := openHost(b)
	r, _ := allLimits(b, host)
	path := makeGroup(b, host, nil).path + "-bench"
	for b.Loop() {
		host, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		g, err := host.Group(path, r)
		if err != nil {
			b.Fatal(err)
		}
		plan := step.Plan(g.Plan())
		if err := errors.Join(plan.Do(), plan.Undo()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		if _, err := Open(); err != nil {
			b.Fatal(err)
		}
	}
}
