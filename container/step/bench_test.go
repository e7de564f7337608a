package step_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// BenchmarkForkOfAContainer measures Plan.Fork, from the call to the exec, with
// the plan of a container and heaps of several sizes.
func BenchmarkForkOfAContainer(b *testing.B) {
	base := b.TempDir()
	for _, dir := range []string{"lower/bin", "lower/proc", "lower/sys", "lower/dev", "upper", "work", "merged"} {
		if err := os.MkdirAll(base+"/"+dir, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		b.Skip("needs a static program: ", err)
	}
	if err := os.WriteFile(base+"/lower/bin/true", program, 0o755); err != nil {
		b.Fatal(err)
	}
	plan := containerPlan(base)
	for _, megabytes := range []int{0, 4, 16} {
		b.Run(fmt.Sprintf("heap=%dMB", megabytes), func(b *testing.B) {
			heap := make([]byte, megabytes<<20)
			for i := 0; i < len(heap); i += 4096 {
				heap[i] = 1
			}
			var times []time.Duration
			for b.Loop() {
				// What says that a volatile overlay was mounted before.
				if err := os.RemoveAll(base + "/work/work/incompat"); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				proc, err := plan.Fork(step.Clone{Flags: allNew})
				times = append(times, time.Since(start))
				if err != nil {
					b.Fatal(err)
				}
				if err := wait(proc); err != nil {
					b.Fatal(err)
				}
			}
			runtime.KeepAlive(heap)
			slices.Sort(times)
			b.ReportMetric(times[len(times)/2].Seconds()*1000, "ms-median")
			b.ReportMetric(times[len(times)/10].Seconds()*1000, "ms-tenth")
		})
	}
}

// containerPlan is an inside plan with a container's mounts and walls.
func containerPlan(base string) step.Plan {
	const wall = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	plan := step.Plan{
		{Steps: []step.Step{
			private,
			step.Sethostname{Name: "bench"},
			step.Umask{Mask: 0o22},
			step.Chdir{Path: base},
			step.Mount{Source: "overlay", Target: "merged", Type: "overlay", Data: "lowerdir=lower,upperdir=upper,workdir=work,volatile"},
			step.Chdir{Path: "merged"},
			step.PivotRoot{New: ".", Old: "."},
			step.Unmount{Target: ".", Flags: unix.MNT_DETACH},
			step.Chdir{Path: "/"},
			step.Mount{Source: "proc", Target: "/proc", Type: "proc", Flags: wall},
			step.Mount{Source: "sysfs", Target: "/sys", Type: "sysfs", Flags: wall | unix.MS_RDONLY},
			step.Mount{Source: "tmpfs", Target: "/dev", Type: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_STRICTATIME, Data: "mode=755,size=65536k"},
		}},
	}
	in := &plan[0].Steps
	for i, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		*in = append(*in, step.Mknod{Path: "/dev/" + name, Type: 'c', Major: 1, Minor: uint32(3 + i), Mode: 0o666})
	}
	for _, dir := range []string{"pts", "shm", "mqueue"} {
		*in = append(*in, step.Mkdir{Path: "/dev/" + dir, Mode: 0o755})
	}
	*in = append(*in,
		step.Mount{Source: "devpts", Target: "/dev/pts", Type: "devpts", Flags: unix.MS_NOSUID | unix.MS_NOEXEC, Data: "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		step.Mount{Source: "shm", Target: "/dev/shm", Type: "tmpfs", Flags: wall, Data: "mode=1777,size=65536k"},
		step.Mount{Source: "mqueue", Target: "/dev/mqueue", Type: "mqueue", Flags: wall},
		step.LinkUp{Name: "lo"},
		step.Mount{Source: "/proc/sys", Target: "/proc/sys", Flags: unix.MS_BIND | unix.MS_REC},
		step.Mount{Target: "/proc/sys", Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | wall},
		step.CloseFrom{First: 3},
		step.Setsid{},
		step.DropBounding{Drop: known &^ docker},
		step.User{},
		step.Capset{Permitted: docker},
		step.NoNewPrivs{},
		step.Exec{Files: []string{"/bin/true"}, Args: []string{"true"}},
	)
	return plan
}
