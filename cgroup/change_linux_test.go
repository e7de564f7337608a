package cgroup

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"gocker/container/step"
)

func TestLimitsOfAGroupThatIsThereAreChangedAndTakenBack(t *testing.T) {
	eachVersion(t, func(t *testing.T, host *Host) {
		r, files := allLimits(t, host)
		g := makeGroup(t, host, r)
		other := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-1))}}
		want := map[string]string{"pids.max": "max"}
		if r.Memory != nil {
			other.Memory = &specs.LinuxMemory{Limit: new(int64(128 << 20)), Reservation: new(int64(16 << 20))}
			if r.Memory.Swap != nil {
				other.Memory.Swap = new(int64(-1))
				want["memory.swap.max"], want["memory.memsw.limit_in_bytes"] = "max", "9223372036854771712"
			}
			want["memory.max"], want["memory.limit_in_bytes"] = "134217728", "134217728"
			want["memory.low"], want["memory.soft_limit_in_bytes"] = "16777216", "16777216"
		}
		if r.Pids == nil {
			other.Pids = nil
		}
		plan, err := g.Change(other)
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string, changed bool) {
			t.Helper()
			for _, f := range files {
				hier, _ := host.find(f.controller)
				expected := f.want
				if w, ok := want[f.name]; ok && changed {
					expected = w
				}
				if got := strings.TrimSpace(readFile(t, filepath.Join(g.dir(hier), f.name))); got != expected {
					t.Errorf("%s, %s is %s, want %s", when, f.name, got, expected)
				}
			}
		}
		if err := plan.Do(); err != nil {
			t.Fatal(err)
		}
		check("changed", true)
		for range 2 {
			if err := plan.Undo(); err != nil {
				t.Fatal(err)
			}
			check("taken back", false)
		}

		// One that the kernel refuses takes those before it back.
		refused := step.Plan{{Steps: append(plan.Steps(), step.Write{Path: "/proc/version", Data: "x"})}}
		if err := refused.Do(); err == nil {
			t.Error("a plan that fails went well")
		}
		check("after a failure", false)

		if err := step.Plan(g.Plan()).Undo(); err != nil {
			t.Fatal(err)
		}
		if err := plan.Undo(); err != nil {
			t.Errorf("taken back of a group that is gone: %v", err)
		}
		if _, err := g.Change(other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("change of a group that is gone: %v", err)
		}
	})
}

// Version 1 refuses memory above memory+swap at any moment, also between two
// writes.
func TestMemoryAndSwapAreChangedInAnOrderThatTheKernelTakes(t *testing.T) {
	host := openHost(t)
	if !host.SwapLimit() {
		t.Skip("the host does not account swap")
	}
	memory := func(most, both int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &most, Swap: &both}}
	}
	g := makeGroup(t, host, memory(64<<20, 96<<20))
	for _, m := range [][2]int64{{128 << 20, 160 << 20}, {32 << 20, 64 << 20}, {16 << 20, -1}, {64 << 20, 64 << 20}, {256 << 20, -1}} {
		plan, err := g.Change(memory(m[0], m[1]))
		if err == nil {
			err = plan.Do()
		}
		if err != nil {
			t.Fatalf("memory %d, memory+swap %d: %v", m[0], m[1], err)
		}
		s, err := g.Stats()
		if err != nil || s.MemoryLimit != uint64(m[0]) {
			t.Errorf("the memory limit is %d, %v, want %d", s.MemoryLimit, err, m[0])
		}
	}
}
