package cgroup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Events counts what happened to a group.
type Events struct {
	OOMKills uint64 // processes killed because the memory limit was reached
}

// Events reads the counters. The time for it is after the exit and before the
// directories go: of a group that is gone the error is [fs.ErrNotExist]. On a
// host without the memory controller they are zero.
func (g *Group) Events() (Events, error) {
	var e Events
	t, v2 := g.host.find("memory")
	if t == nil {
		return e, nil
	}
	name := "memory.oom_control" // Linux 4.13
	if v2 {
		name = "memory.events"
	}
	err := g.read(t, name, func(r io.Reader) (err error) {
		e.OOMKills, err = keyed(r, "oom_kill")
		return err
	})
	return e, err
}

// Stats is what a group uses. Memory is in bytes. A limit that is not set is
// zero, and so is what the host's controllers can't tell.
type Stats struct {
	Memory, MemoryLimit uint64
	MemoryPeak          uint64 // version 2: Linux 5.19
	// InactiveFile is the part of Memory that is page cache which the kernel
	// would give up first. Docker subtracts it from what it shows.
	InactiveFile    uint64
	CPU             time.Duration
	Pids, PidsLimit uint64
	// BlockRead and BlockWrite are bytes from and to disks. Version 2 counts
	// them only where the controller io has been handed down, which gocker
	// doesn't do.
	BlockRead, BlockWrite uint64
}

// Stats reads the use of the group and of those below it. Of a group that is
// gone the error is [fs.ErrNotExist].
func (g *Group) Stats() (Stats, error) {
	var s Stats
	for _, dir := range g.dirs() {
		if _, err := os.Stat(dir); err != nil {
			return s, err
		}
	}
	number := func(to *uint64) func(io.Reader) error {
		return func(r io.Reader) (err error) { *to, err = single(r); return err }
	}
	key := func(to *uint64, key string) func(io.Reader) error {
		return func(r io.Reader) (err error) { *to, err = keyed(r, key); return err }
	}
	blocks := func(parse func(io.Reader) (uint64, uint64, error)) func(io.Reader) error {
		return func(r io.Reader) (err error) { s.BlockRead, s.BlockWrite, err = parse(r); return err }
	}
	var nsec, usec uint64
	for _, f := range []struct {
		controller, v1, v2 string
		parse1, parse2     func(io.Reader) error
	}{
		{"memory", "memory.usage_in_bytes", "memory.current", number(&s.Memory), number(&s.Memory)},
		{"memory", "memory.limit_in_bytes", "memory.max", number(&s.MemoryLimit), number(&s.MemoryLimit)},
		{"memory", "memory.max_usage_in_bytes", "memory.peak", number(&s.MemoryPeak), number(&s.MemoryPeak)},
		{"memory", "memory.stat", "memory.stat", key(&s.InactiveFile, "total_inactive_file"), key(&s.InactiveFile, "inactive_file")},
		{"cpuacct", "cpuacct.usage", "", number(&nsec), nil},
		{"cpu", "", "cpu.stat", nil, key(&usec, "usage_usec")},
		{"pids", "pids.current", "pids.current", number(&s.Pids), number(&s.Pids)},
		{"blkio", "blkio.throttle.io_service_bytes_recursive", "", blocks(blocksV1), nil},
		{"io", "", "io.stat", nil, blocks(blocksV2)},
		{"pids", "pids.max", "pids.max", number(&s.PidsLimit), number(&s.PidsLimit)},
	} {
		t, v2 := g.host.find(f.controller)
		name, parse := f.v1, f.parse1
		if v2 {
			name, parse = f.v2, f.parse2
		}
		if t == nil || name == "" {
			continue
		}
		if err := g.read(t, name, parse); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	s.CPU = time.Duration(nsec) + time.Duration(usec)*time.Microsecond
	return s, nil
}

func (g *Group) read(t *hierarchy, name string, parse func(io.Reader) error) error {
	path := filepath.Join(g.dir(t), name)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := parse(f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// unlimited is where version 1 rounds "no limit" down to a page: every number
// of pages from here on means the same.
const unlimited = 1<<63 - 1<<16

// single parses a file of one number; "max", and what version 1 has for it, is
// zero.
func single(r io.Reader) (uint64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(data))
	if text == "max" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if n >= unlimited {
		n = 0
	}
	return n, err
}

// keyed parses lines of a key and a number; a key that is missing is zero.
func keyed(r io.Reader, key string) (uint64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, key+" "); ok {
			return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		}
	}
	return 0, nil
}

// blocksV1 sums lines such as "8:0 Read 4096", one a device and operation. See
// the kernel's blkio-controller.rst.
func blocksV1(r io.Reader) (read, written uint64, err error) {
	return sumBlocks(r, func(fields []string) []string {
		if len(fields) == 3 { // else it is a total
			return []string{fields[1] + "=" + fields[2]}
		}
		return nil
	}, "Read=", "Write=")
}

// blocksV2 sums lines such as "8:0 rbytes=4096 wbytes=0 rios=1 …", one a device.
// See cgroup-v2.rst, "io.stat".
func blocksV2(r io.Reader) (read, written uint64, err error) {
	return sumBlocks(r, func(fields []string) []string { return fields }, "rbytes=", "wbytes=")
}

// sumBlocks sums the numbers of words that begin with one of two keys.
func sumBlocks(r io.Reader, words func(line []string) []string, readKey, writtenKey string) (read, written uint64, err error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		for _, w := range words(strings.Fields(line)) {
			to, text := &read, strings.TrimPrefix(w, readKey)
			if text == w {
				to, text = &written, strings.TrimPrefix(w, writtenKey)
			}
			if text == w {
				continue
			}
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return 0, 0, err
			}
			*to += n
		}
	}
	return read, written, nil
}
