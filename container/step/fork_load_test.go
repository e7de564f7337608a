package step_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

func TestManyForksLeaveNothing(t *testing.T) {
	// No finalizer is to close what was forgotten.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	forks := 1000
	descriptors, threads := 0, 0
	for i := range forks {
		if i == 20 { // the runtime has what it needs
			descriptors, threads = count(t, "/proc/self/fd"), count(t, "/proc/self/task")
		}
		steps := longPlan()
		fails := i%4 == 3
		if fails {
			steps[len(steps)-1] = step.Exec{Files: []string{"/no/such"}, Args: []string{"x"}}
		}
		proc, err := step.Plan{{Steps: steps}}.Fork(step.Clone{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWPID})
		if (err != nil) != fails {
			t.Fatalf("fork %d: %v", i, err)
		}
		if err != nil {
			continue
		}
		if err := wait(proc); err != nil {
			t.Fatalf("fork %d: %v", i, err)
		}
	}
	noChildren(t)
	if now := count(t, "/proc/self/fd"); now > descriptors {
		t.Errorf("%d descriptors before, %d after", descriptors, now)
	}
	if now := count(t, "/proc/self/task"); now > threads+8 {
		t.Errorf("%d threads before, %d after", threads, now)
	}
}

func TestForksAmongBusyGoroutinesAndCollections(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	stop := make(chan struct{})
	var busy, forking sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			var keep [64][]byte
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				keep[i%len(keep)] = make([]byte, 1+i*7919%40000)
				grow(i % 200)
			}
		})
	}
	text := strings.Repeat("x", 5000)
	for worker := range 8 {
		forking.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("host-%d-%d", worker, i)
				got, err := try(step.Clone{Flags: unix.CLONE_NEWUTS | unix.CLONE_NEWPID},
					step.Sethostname{Name: name},
					step.Exec{
						Files: step.LookPath("sh", "/nowhere:/bin"),
						Args:  []string{"sh", "-c", `read name < /proc/sys/kernel/hostname; echo "$name ${#1} $X"`, "sh", text},
						Env:   []string{"X=" + name},
					})
				if want := name + " 5000 " + name + "\n"; err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
					return
				}
			}
		})
	}
	forking.Wait()
	close(stop)
	busy.Wait()
	noChildren(t)
}

// grow makes the stack of its goroutine grow, and so move.
func grow(n int) byte {
	var frame [512]byte
	if n == 0 {
		return frame[0]
	}
	frame[n] = grow(n - 1)
	return frame[n]
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
