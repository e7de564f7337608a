package cgroup

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

// Helpers of the tests that ask the kernel.

// openHost returns this host. The tests that ask the kernel need root and cgroups.
func openHost(t testing.TB) *Host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may make control groups")
	}
	host, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if host.v2 == nil && len(host.v1) == 0 {
		t.Skip("the host has no cgroup filesystem mounted")
	}
	return host
}

// eachVersion runs a test on the host, and on each version of a hybrid one.
func eachVersion(t *testing.T, test func(*testing.T, *Host)) {
	host := openHost(t)
	t.Run("host", func(t *testing.T) { test(t, host) })
	if host.v2 != nil && len(host.v1) > 0 {
		t.Run("v1 alone", func(t *testing.T) { test(t, &Host{v1: host.v1}) })
		t.Run("v2 alone", func(t *testing.T) { test(t, &Host{v2: host.v2}) })
	}
}

// makeGroup makes a group of a name of its own, which the test's end removes
// with its parent.
func makeGroup(t testing.TB, host *Host, r *specs.LinuxResources) *Group {
	t.Helper()
	g, err := host.Group("/gocker-test-"+strings.ToLower(rand.Text()[:8])+"/x", r)
	if err != nil {
		t.Fatal(err)
	}
	plan := step.Plan(g.Plan())
	t.Cleanup(func() {
		if err := errors.Join(g.Kill(), plan.Undo()); err != nil {
			t.Error(err)
		}
		for _, dir := range g.dirs() {
			if err := (removal{filepath.Dir(dir)}).Do(); err != nil {
				t.Errorf("remove the parent %s: %v", filepath.Dir(dir), err)
			}
		}
	})
	if err := plan.Do(); err != nil {
		t.Fatal(err)
	}
	return g
}

// setting is a file of a group and what it should hold.
type setting struct{ controller, name, want string }

// allLimits returns resources that limit what the host has controllers for.
func allLimits(t testing.TB, host *Host) (*specs.LinuxResources, []setting) {
	t.Helper()
	r := new(specs.LinuxResources)
	var files []setting
	for _, c := range []struct {
		controller string
		set        func()
		v1, v2     []setting
	}{
		{"memory", func() {
			r.Memory = &specs.LinuxMemory{Limit: new(int64(64 << 20)), Reservation: new(int64(32 << 20))}
		}, []setting{
			{"memory", "memory.limit_in_bytes", "67108864"},
			{"memory", "memory.soft_limit_in_bytes", "33554432"},
		}, []setting{
			{"memory", "memory.max", "67108864"},
			{"memory", "memory.low", "33554432"},
		}},
		{"cpu", func() {
			r.CPU = &specs.LinuxCPU{Shares: new(uint64(512)), Quota: new(int64(150_000)), Period: new(uint64(100_000))}
		}, []setting{
			{"cpu", "cpu.shares", "512"},
			{"cpu", "cpu.cfs_quota_us", "150000"},
			{"cpu", "cpu.cfs_period_us", "100000"},
		}, []setting{
			{"cpu", "cpu.weight", "59"},
			{"cpu", "cpu.max", "150000 100000"},
		}},
		{
			"cpuset", func() {
				if r.CPU == nil {
					r.CPU = new(specs.LinuxCPU)
				}
				r.CPU.Cpus, r.CPU.Mems = "0", "0"
			},
			[]setting{{"cpuset", "cpuset.cpus", "0"}, {"cpuset", "cpuset.mems", "0"}},
			[]setting{{"cpuset", "cpuset.cpus", "0"}, {"cpuset", "cpuset.mems", "0"}},
		},
		{"pids", func() {
			r.Pids = &specs.LinuxPids{Limit: new(int64(50))}
		}, []setting{{"pids", "pids.max", "50"}}, []setting{{"pids", "pids.max", "50"}}},
	} {
		switch hier, v2 := host.find(c.controller); {
		case hier == nil:
			t.Logf("not tested, as the host lacks it: controller %s", c.controller)
		case v2:
			c.set()
			files = append(files, c.v2...)
		default:
			c.set()
			files = append(files, c.v1...)
		}
	}
	if hier, v2 := host.find("memory"); host.SwapLimit() {
		r.Memory.Swap = new(int64(96 << 20))
		if v2 {
			files = append(files, setting{"memory", "memory.swap.max", "33554432"})
		} else {
			files = append(files, setting{"memory", "memory.memsw.limit_in_bytes", "100663296"})
		}
	} else if hier != nil {
		t.Log("not tested, as the kernel does not account swap: swap limit")
	}
	return r, files
}

// process is a shell in a group. Its standard output is read through out.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a script of sh that is born in the group as a container is. The
// arguments are $0 and those that follow.
func start(t *testing.T, g *Group, script string, args ...string) *process {
	t.Helper()
	for _, s := range g.Join() {
		script = s.Shell() + "\n" + script
	}
	p := &process{Cmd: exec.Command("sh", append([]string{"-c", script}, args...)...)}
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if dir := g.V2Dir(); dir != "" {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the process said %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *process) expect(t *testing.T, want string) {
	t.Helper()
	if got := p.line(t); got != want {
		t.Fatalf("the process said %q, want %q", got, want)
	}
}

// end lets a script go on that reads a line, and waits for it.
func (p *process) end(t *testing.T) {
	t.Helper()
	fmt.Fprintln(p.in)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// mounted reports whether the hierarchy of a line of /proc/PID/cgroup is.
func mounted(host *Host, line string) bool {
	controllers := strings.Split(line, ":")[1]
	if controllers == "" {
		return host.v2 != nil
	}
	t, _ := host.find(strings.Split(controllers, ",")[0])
	return t != nil
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func all(allow bool) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: allow, Access: "rwm"}
}

func rule(allow bool, d device) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: allow, Type: string(d.kind), Major: &d.major, Minor: &d.minor, Access: d.access.String()}
}
