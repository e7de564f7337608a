package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a container uses at one time, counted as docker counts it. All of
// it is zero of one that doesn't run. Sizes are in bytes.
type Usage struct {
	CPU time.Duration // of all its processes since the start
	// Host is the time that all CPUs of the machine have had since its boot, and
	// CPUs their number: a share of the machine is a difference of CPU, divided by
	// that of Host.
	Host time.Duration
	CPUs int
	// Memory does not count the page cache that the kernel would give up first.
	// The limit is the machine's memory where there is none.
	Memory, MemoryLimit   uint64
	Received, Sent        uint64 // over its own interfaces but loopback
	BlockRead, BlockWrite uint64
	Pids                  uint64
}

// Usage reads what a container uses. It may end meanwhile.
func (c *Container) Usage() (Usage, error) {
	var u Usage
	if c.State.Status != Running {
		return u, nil
	}
	group, err := c.group()
	if err != nil {
		return u, err
	}
	stats, err := group.Stats()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return u, nil // it has ended
	}
	if err != nil {
		return u, err
	}
	u = Usage{
		CPU: stats.CPU, Memory: stats.Memory, MemoryLimit: stats.MemoryLimit,
		BlockRead: stats.BlockRead, BlockWrite: stats.BlockWrite, Pids: stats.Pids,
	}
	if stats.InactiveFile < u.Memory {
		u.Memory -= stats.InactiveFile
	}
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		return u, fmt.Errorf("sysinfo: %w", err)
	}
	if total := machine.Totalram * uint64(machine.Unit); u.MemoryLimit == 0 || u.MemoryLimit > total {
		u.MemoryLimit = total
	}
	if u.Host, u.CPUs, err = readOpened("/proc/stat", parseHostCPU); err != nil {
		return u, err
	}
	if c.HostConfig.NetworkMode != "host" {
		path := fmt.Sprintf("/proc/%d/net/dev", c.State.Pid)
		u.Received, u.Sent, err = readOpened(path, parseTraffic)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ESRCH) {
		return Usage{}, nil // it has ended
	}
	return u, err
}

// readOpened parses a file of /proc.
func readOpened[A, B any](path string, parse func(io.Reader) (A, B, error)) (a A, b B, err error) {
	f, err := os.Open(path)
	if err != nil {
		return a, b, err
	}
	defer f.Close()
	if a, b, err = parse(f); err != nil {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return a, b, err
}

// parseHostCPU sums the machine's time, idle or not, without that of guests,
// which is counted as user's too, and without what a hypervisor took. See
// proc_stat(5).
func parseHostCPU(r io.Reader) (total time.Duration, cpus int, err error) {
	const tick = time.Second / 100 // USER_HZ, for ever
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			cpus++
			continue
		}
		for _, f := range fields[1:8] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, 0, err
			}
			total += time.Duration(n) * tick
		}
	}
	return total, cpus, lines.Err()
}

// parseTraffic sums the bytes of all interfaces but loopback. See
// proc_pid_net(5), "dev".
func parseTraffic(r io.Reader) (received, sent uint64, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, counts, ok := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(counts)
		if !ok || strings.TrimSpace(name) == "lo" || len(fields) < 9 {
			continue
		}
		for i, to := range map[int]*uint64{0: &received, 8: &sent} {
			n, err := strconv.ParseUint(fields[i], 10, 64)
			if err != nil {
				return 0, 0, err
			}
			*to += n
		}
	}
	return received, sent, lines.Err()
}
