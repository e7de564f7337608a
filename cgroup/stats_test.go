package cgroup

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
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

func TestBlocksAreSummedOverDevices(t *testing.T) {
	for name, c := range map[string]struct {
		parse func(io.Reader) (uint64, uint64, error)
		text  string
	}{
		"version 1": {blocksV1, "8:0 Read 4096\n8:0 Write 512\n8:0 Sync 1\n8:0 Discard 0\n8:0 Total 4608\n7:1 Read 4\n7:1 Write 0\nTotal 4612\n"},
		"version 2": {blocksV2, "8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=9 dios=0\n7:1 rbytes=4\n"},
	} {
		if r, w, err := c.parse(strings.NewReader(c.text)); err != nil || r != 4100 || w != 512 {
			t.Errorf("%s: read %d, written %d, %v", name, r, w, err)
		}
	}
	if r, w, err := blocksV1(strings.NewReader("Total 0\n")); err != nil || r+w != 0 {
		t.Errorf("nothing: read %d, written %d, %v", r, w, err)
	}
	if _, _, err := blocksV2(strings.NewReader("8:0 rbytes=many\n")); err == nil {
		t.Error("a word was read as a number")
	}
}
