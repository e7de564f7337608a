package container

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// settleAfter is how long a container must have run before its monitor gives
// back the memory that starting it took. Commands that end sooner don't pay.
const settleAfter = 200 * time.Millisecond

// sleepSmall waits as poll does, and while it waits for long makes this process
// small: it will mostly sleep, beside others like it.
func sleepSmall(fds []unix.PollFd, timeout time.Duration) (ready bool, err error) {
	if timeout >= 0 && timeout < 4*settleAfter {
		return poll(fds, timeout)
	}
	ready, err = poll(fds, settleAfter)
	if ready || err != nil {
		return ready, err
	}
	// Until now nothing was collected, see [Monitor.heir].
	debug.SetGCPercent(50)
	debug.FreeOSMemory()
	ranges := programRanges()
	// The collector has woken more of the program than will run from here on:
	// let it come to rest before its pages go.
	if ready, err = poll(fds, settleAfter); ready || err != nil {
		return ready, err
	}
	for _, r := range ranges {
		// They stay in the page cache, and what is needed again is mapped again.
		// It is advice: an error changes nothing.
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	}
	if timeout >= 0 {
		timeout -= 2 * settleAfter
	}
	return poll(fds, timeout)
}

// poll waits until a descriptor is readable, for ever with a negative timeout.
func poll(fds []unix.PollFd, timeout time.Duration) (ready bool, err error) {
	milliseconds := -1
	if timeout >= 0 {
		milliseconds = int(timeout.Milliseconds())
	}
	for {
		n, err := unix.Poll(fds, milliseconds)
		if err != unix.EINTR {
			return n > 0, err
		}
	}
}

// programRanges returns where this program's file is mapped, none if that
// can't be found out.
func programRanges() []addressRange {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer maps.Close()
	ranges, err := parseRanges(maps)
	if err != nil {
		return nil
	}
	return ranges
}

type addressRange struct{ start, end uintptr }

// parseRanges returns the mappings of files that are never written: code and
// constants. See proc_pid_maps(5).
func parseRanges(maps io.Reader) ([]addressRange, error) {
	var ranges []addressRange
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") || strings.Contains(fields[1], "w") {
			continue
		}
		var r addressRange
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &r.start, &r.end); err != nil {
			return nil, fmt.Errorf("proc maps: %q: %w", lines.Text(), err)
		}
		ranges = append(ranges, r)
	}
	return ranges, lines.Err()
}
