package cgroup

import (
	"reflect"
	"strings"
	"testing"
)

func TestProbeFindsEachControllerOnce(t *testing.T) {
	const self = `5:memory:/user.slice
4:cpu,cpuacct:/
3:net_cls:/
1:name=systemd:/user.slice/session-1.scope
`
	const mountinfo = `22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 22 0:26 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755
33 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd
34 30 0:30 /docker/abc /srv/inner rw shared:12 - cgroup cgroup rw,memory
35 30 0:30 / /sys/fs/cgroup/mem\040ory rw shared:12 master:3 - cgroup cgroup rw,memory
36 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
`
	host := probe(t, mountinfo, self)
	want := []hierarchy{
		{"/sys/fs/cgroup/systemd", "/", []string{"name=systemd"}, []string{"xattr", "name=systemd"}, "/sys/fs/cgroup/systemd/user.slice/session-1.scope"},
		{"/sys/fs/cgroup/mem ory", "/", []string{"memory"}, []string{"memory"}, "/sys/fs/cgroup/mem ory/user.slice"},
		{"/sys/fs/cgroup/cpu,cpuacct", "/", []string{"cpu", "cpuacct"}, []string{"cpu", "cpuacct"}, "/sys/fs/cgroup/cpu,cpuacct"},
	}
	if !reflect.DeepEqual(host.v1, want) || host.v2 != nil {
		t.Errorf("got  %+v\nwant %+v", host.v1, want)
	}
	if h, _ := host.find("net_cls"); h != nil {
		t.Errorf("net_cls is mounted nowhere, found in %+v", h)
	}
}

func TestProbeKeepsTheMountThatShowsMostOfVersion2(t *testing.T) {
	root, part := t.TempDir(), t.TempDir()
	files(t, root, map[string]string{"cgroup.controllers": "memory\n"})
	files(t, part, map[string]string{"cgroup.controllers": "pids\n"})
	whole := "41 23 0:40 / " + root + " rw - cgroup2 cgroup2 rw\n"
	bound := "42 23 0:40 /a " + part + " rw - cgroup2 cgroup2 rw\n"
	for _, mountinfo := range []string{whole + bound, bound + whole} {
		if host := probe(t, mountinfo, "0::/\n"); host.v2.dir != root || !host.v2.has("memory") {
			t.Errorf("got %+v", host.v2)
		}
	}
}

func TestOwnGroupIsSeenBelowTheMount(t *testing.T) {
	for _, c := range []struct{ root, group, want string }{
		{"/", "/", "/m"},
		{"/", "/a/b", "/m/a/b"},
		{"/docker/x", "/docker/x", "/m"},
		{"/docker/x", "/docker/x/y", "/m/y"},
		{"/docker/x", "/docker/xy", "/m"},
		{"/docker/x", "/other", "/m"},
	} {
		if got := below(mount{root: c.root, dir: "/m"}, c.group); got != c.want {
			t.Errorf("mount of %s, group %s: got %s, want %s", c.root, c.group, got, c.want)
		}
	}
}

func TestProbeOfTextThatIsNoMountinfoFails(t *testing.T) {
	for _, c := range []struct{ mountinfo, self string }{
		{"30 22 - cgroup", "0::/\n"},
		{"30 22 0:26 / /m rw - cgroup2", "0::/\n"},
		{"", "0:/\n"},
		{"30 22 0:26 / /no/such/dir rw - cgroup2 cgroup2 rw\n", "0::/\n"},
	} {
		if h, err := Probe(strings.NewReader(c.mountinfo), strings.NewReader(c.self)); err == nil {
			t.Errorf("%q and %q made %+v", c.mountinfo, c.self, h)
		}
	}
}

func TestSwapLimitIsSeenInAnyGroupOfVersion2(t *testing.T) {
	host, root := fakeV2(t, "memory")
	if !host.SwapLimit() {
		t.Error("with no group to look at, the write should tell")
	}
	files(t, root+"/a", map[string]string{"cgroup.procs": ""})
	files(t, root+"/b", map[string]string{"memory.max": "max\n"})
	if host.SwapLimit() {
		t.Error("a group has memory.max and no memory.swap.max")
	}
	files(t, root+"/b", map[string]string{"memory.swap.max": "max\n"})
	if !host.SwapLimit() {
		t.Error("a group has memory.swap.max")
	}
}

func FuzzProbe(f *testing.F) {
	f.Add("35 30 0:30 / /m\\040x rw shared:12 - cgroup cgroup rw,memory\n", "5:memory:/a\n")
	f.Add("31 23 0:28 /.. /m rw - cgroup cgroup rw,xattr,name=systemd\n", "9:name=systemd:/\n")
	f.Add("- cgroup\\", "::\n")
	f.Fuzz(func(t *testing.T, mountinfo, self string) {
		h, err := Probe(strings.NewReader(mountinfo), strings.NewReader(self))
		if err != nil {
			return
		}
		for _, v1 := range h.v1 {
			if len(v1.controllers) == 0 {
				t.Errorf("a hierarchy without a name: %+v", v1)
			}
		}
	})
}
