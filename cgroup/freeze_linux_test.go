package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"gocker/container/step"
)

func TestAFrozenGroupStandsStillUntilItIsThawedOrKilled(t *testing.T) {
	eachVersion(t, func(t *testing.T, host *Host) {
		g := makeGroup(t, host, nil)
		p := start(t, g, `echo ready; read line; echo "got $line"; while :; do :; done`)
		p.expect(t, "ready")
		frozen := func(want bool) {
			t.Helper()
			if is, err := g.Frozen(); err != nil || is != want {
				t.Fatalf("frozen: %v, %v, want %v", is, err, want)
			}
		}
		frozen(false)
		for range 2 {
			if err := g.Freeze(); err != nil {
				t.Fatal(err)
			}
			frozen(true)
		}
		fmt.Fprintln(p.in, "word")
		for range 2 {
			if err := g.Thaw(); err != nil {
				t.Fatal(err)
			}
			frozen(false)
		}
		p.expect(t, "got word")

		if err := g.Freeze(); err != nil {
			t.Fatal(err)
		}
		used := func() string {
			return strings.Fields(readFile(t, fmt.Sprintf("/proc/%d/schedstat", p.Process.Pid)))[0]
		}
		before := used()
		time.Sleep(20 * time.Millisecond) // of a loop that never sleeps
		if after := used(); after != before {
			t.Errorf("a frozen process has run: %s, then %s nanoseconds", before, after)
		}
		if err := g.Kill(); err != nil {
			t.Fatal(err)
		}
		if p.Wait(); p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("the process ended with %v", p.ProcessState)
		}
		if err := step.Plan(g.Plan()).Undo(); err != nil {
			t.Fatal(err)
		}
		if err := g.Freeze(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("freeze of a group that is gone: %v", err)
		}
		if err := g.Thaw(); err != nil {
			t.Errorf("thaw of a group that is gone: %v", err)
		}
		frozen(false)
	})
}
