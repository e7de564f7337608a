package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocker/container/step"
)

// A fake host is a directory with the files that planning looks at, at the top
// of each hierarchy. Nothing in it behaves as the kernel does.

// fakeV2 is a host with nothing but cgroup2.
func fakeV2(t *testing.T, controllers string) (*Host, string) {
	t.Helper()
	root := t.TempDir()
	files(t, root, map[string]string{
		"cgroup.controllers":     controllers + "\n",
		"cgroup.subtree_control": "\n",
	})
	return probe(t, "30 23 0:27 / "+root+" rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", "0::/init.scope\n"), root
}

// fakeV1 is a host of version 1 with cpu and cpuacct mounted together and a
// named hierarchy; hybrid adds a cgroup2 mount without controllers.
func fakeV1(t *testing.T, hybrid bool) (*Host, string) {
	t.Helper()
	root := t.TempDir()
	var mountinfo, self strings.Builder
	for i, h := range []struct {
		dir, words, options string
		files               map[string]string
	}{
		{"cpuset", "cpuset", "rw,cpuset", map[string]string{"cpuset.cpus": "0-3\n", "cpuset.mems": "0\n"}},
		{"cpu,cpuacct", "cpu,cpuacct", "rw,cpu,cpuacct", map[string]string{
			"cpu.shares": "1024\n", "cpu.cfs_period_us": "100000\n", "cpu.cfs_quota_us": "-1\n",
			"cpu.cfs_burst_us": "0\n",
		}},
		{"memory", "memory", "rw,memory", map[string]string{
			"memory.limit_in_bytes": "9223372036854771712\n", "memory.soft_limit_in_bytes": "9223372036854771712\n",
			"memory.memsw.limit_in_bytes": "9223372036854771712\n", "memory.swappiness": "60\n",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
		}},
		{"devices", "devices", "rw,devices", nil},
		{"pids", "pids", "rw,pids", nil},
		{"systemd", "name=systemd", "rw,xattr,name=systemd", nil},
	} {
		dir := filepath.Join(root, h.dir)
		files(t, dir, h.files)
		fmt.Fprintf(&mountinfo, "%d 23 0:%d / %s rw,nosuid shared:%d - cgroup cgroup %s\n", 30+i, 30+i, dir, i, h.options)
		fmt.Fprintf(&self, "%d:%s:/user.slice\n", 9-i, h.words)
	}
	if hybrid {
		dir := filepath.Join(root, "unified")
		files(t, dir, map[string]string{"cgroup.controllers": "\n", "cgroup.subtree_control": "\n"})
		fmt.Fprintf(&mountinfo, "41 23 0:40 / %s rw,nosuid - cgroup2 cgroup2 rw\n", dir)
		fmt.Fprintf(&self, "0::/user.slice\n")
	}
	return probe(t, mountinfo.String(), self.String()), root
}

func probe(t *testing.T, mountinfo, self string) *Host {
	t.Helper()
	h, err := Probe(strings.NewReader(mountinfo), strings.NewReader(self))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// files makes a directory with the files of a map from name to content.
func files(t *testing.T, dir string, contents map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func printed(t *testing.T, plan step.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := plan.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
