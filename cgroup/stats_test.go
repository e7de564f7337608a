package cgroup

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"
)

func TestStatsAndEventsOfVersion2(t *testing.T) {
	host, root := fakeV2(t, "cpu memory pids")
	g, err := host.Group("/gocker/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Stats(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stats of a group that is not there: %v", err)
	}
	files(t, filepath.Join(root, "gocker/x"), map[string]string{
		"memory.current": "1000\n", "memory.max": "4096\n", "memory.peak": "2000\n",
		"memory.stat":   "anon 1\ninactive_anon 2\ninactive_file 300\n",
		"memory.events": "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n",
		"cpu.stat":      "usage_usec 1500\nuser_usec 1000\n",
		"pids.current":  "3\n", "pids.max": "max\n",
	})
	want := Stats{Memory: 1000, MemoryLimit: 4096, MemoryPeak: 2000, InactiveFile: 300, CPU: 1500 * time.Microsecond, Pids: 3}
	if s, err := g.Stats(); err != nil || s != want {
		t.Errorf("got %+v, %v\nwant %+v", s, err, want)
	}
	if e, err := g.Events(); err != nil || e.OOMKills != 2 {
		t.Errorf("events: %+v, %v", e, err)
	}
}

func TestStatsAndEventsOfVersion1(t *testing.T) {
	host, root := fakeV1(t, false)
	g, err := host.Group("/gocker/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range g.dirs() {
		files(t, dir, nil)
	}
	files(t, filepath.Join(root, "memory/gocker/x"), map[string]string{
		"memory.usage_in_bytes": "1000\n", "memory.limit_in_bytes": "9223372036854771712\n", "memory.max_usage_in_bytes": "2000\n",
		"memory.stat":        "inactive_file 1\ntotal_inactive_file 300\n",
		"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
	})
	files(t, filepath.Join(root, "cpu,cpuacct/gocker/x"), map[string]string{"cpuacct.usage": "1500\n", "cpu.stat": "nr_periods 0\n"})
	files(t, filepath.Join(root, "pids/gocker/x"), map[string]string{"pids.current": "3\n", "pids.max": "50\n"})
	want := Stats{Memory: 1000, MemoryPeak: 2000, InactiveFile: 300, CPU: 1500, Pids: 3, PidsLimit: 50}
	if s, err := g.Stats(); err != nil || s != want {
		t.Errorf("got %+v, %v\nwant %+v", s, err, want)
	}
	if e, err := g.Events(); err != nil || e.OOMKills != 2 {
		t.Errorf("events: %+v, %v", e, err)
	}
}
