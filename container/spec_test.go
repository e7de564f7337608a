package container

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestCapabilitiesAreAddedAndDroppedAsInDocker(t *testing.T) {
	const all = ^step.CapSet(0) >> (64 - 41) // up to checkpoint_restore
	usual := caps(t, defaultCaps...)
	for _, c := range []struct {
		name      string
		add, drop string
		host      step.CapSet
		want      step.CapSet
		err       string
	}{
		{name: "none", want: usual},
		{name: "one more", add: "NET_ADMIN", want: usual | caps(t, "NET_ADMIN")},
		{name: "with its prefix, in small letters", add: "cap_net_admin", want: usual | caps(t, "NET_ADMIN")},
		{name: "one that is there", add: "CHOWN", want: usual},
		{name: "one less", drop: "CHOWN", want: usual &^ caps(t, "CHOWN")},
		{name: "one that is not there less", drop: "NET_ADMIN", want: usual},
		{name: "the same more and less", add: "CHOWN", drop: "CHOWN", want: usual},
		{name: "none but one", add: "CHOWN", drop: "ALL", want: caps(t, "CHOWN")},
		{name: "none at all", drop: "all", want: 0},
		{name: "none at all and one less", drop: "ALL CHOWN", want: 0},
		{name: "all", add: "ALL", want: all},
		{name: "all but one", add: "ALL", drop: "SYS_ADMIN", want: all &^ caps(t, "SYS_ADMIN")},
		{name: "all but one that is named too", add: "ALL SYS_ADMIN", drop: "SYS_ADMIN", want: all &^ caps(t, "SYS_ADMIN")},
		{name: "all wins over none", add: "ALL", drop: "ALL", want: all},
		{name: "all wins over none but one", add: "ALL", drop: "ALL SYS_ADMIN", want: all &^ caps(t, "SYS_ADMIN")},
		{name: "all that a poor host has", add: "ALL", host: usual, want: usual},
		{name: "all that a poor host has and one more", add: "ALL SYS_ADMIN", host: usual, want: usual},
		{name: "more than a poor host has", add: "SYS_ADMIN", host: usual, err: "this host does not have CAP_SYS_ADMIN to give"},
		{name: "the usual on a poorer host", host: caps(t, "CHOWN", "SYS_ADMIN"), want: caps(t, "CHOWN")},
		{name: "an unknown one", add: "FLY", err: "FLY"},
		{name: "an unknown one less", drop: "FLY", err: "FLY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.host == 0 {
				c.host = all
			}
			h := HostConfig{CapAdd: strings.Fields(c.add), CapDrop: strings.Fields(c.drop)}
			got, err := chooseCaps(&h, c.host)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %v, %v\nwant %v", got.Names(), err, c.want.Names())
			}
			h.Privileged = true
			if got, err := chooseCaps(&h, c.host); err != nil || got != c.host {
				t.Errorf("privileged: got %v, %v, want all that the host has", got.Names(), err)
			}
		})
	}
}

func caps(t *testing.T, names ...string) step.CapSet {
	t.Helper()
	set, _, err := parseCaps(names)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestLimitsAreConvertedForTheKernel(t *testing.T) {
	for _, c := range []struct {
		name string
		h    HostConfig
		want string // of the spec, without its devices
	}{
		{"none", HostConfig{}, `{}`},
		{"memory", HostConfig{Memory: 64 << 20}, `{"memory":{"limit":67108864}}`},
		{"memory and swap", HostConfig{Memory: 64 << 20, MemorySwap: 128 << 20}, `{"memory":{"limit":67108864,"swap":134217728}}`},
		{"unlimited swap", HostConfig{Memory: 64 << 20, MemorySwap: -1}, `{"memory":{"limit":67108864,"swap":-1}}`},
		{"a reservation", HostConfig{MemoryReservation: 32 << 20}, `{"memory":{"reservation":33554432}}`},
		{"one and a half CPUs", HostConfig{NanoCpus: 15e8}, `{"cpu":{"quota":150000,"period":100000}}`},
		{"a hundredth of a CPU", HostConfig{NanoCpus: 1e7}, `{"cpu":{"quota":1000,"period":100000}}`},
		{"shares", HostConfig{CpuShares: 512}, `{"cpu":{"shares":512}}`},
		{"a set of CPUs", HostConfig{CpusetCpus: "0-3,7"}, `{"cpu":{"cpus":"0-3,7"}}`},
		{"processes", HostConfig{PidsLimit: 10}, `{"pids":{"limit":10}}`},
		{"unlimited processes", HostConfig{PidsLimit: -1}, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := resources(&c.h)
			if len(r.Devices) == 0 || r.Devices[0].Allow {
				t.Errorf("devices %+v: want all forbidden first", r.Devices)
			}
			r.Devices = nil
			got, err := json.Marshal(r)
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
	if r := resources(&HostConfig{Privileged: true}); len(r.Devices) != 1 || !r.Devices[0].Allow {
		t.Errorf("privileged: devices %+v, want all allowed", r.Devices)
	}
}

// The mounts of a spec are compared by their words: type source destination
// options, those of gocker's own that matter.
func TestTheUsersMountsHideTheDefaults(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Container
		want []string // after those of /proc and /sys
	}{
		{
			name: "none",
			want: []string{
				"/dev/mqueue mqueue", "/dev/shm shm", "/etc/hostname bind", "/etc/hosts bind", "/etc/resolv.conf bind",
			},
		},
		{
			name: "in their order, parents first",
			c: Container{Record: Record{Mounts: []MountPoint{
				{Type: "bind", Source: "/src/c", Destination: "/a/b/c", RW: true, Propagation: "rprivate"},
				{Type: "bind", Source: "/src/a", Destination: "/a", Propagation: "rslave"},
				{Type: "bind", Source: "/src/x", Destination: "/a-b", RW: true, Propagation: "rprivate"},
				{Type: "volume", Source: "/vol", Destination: "/a/b", RW: true, Propagation: "rprivate"},
			}}},
			want: []string{
				"/dev/mqueue mqueue", "/dev/shm shm",
				"/a bind rbind,rslave,rro", "/a-b bind rbind,rprivate,rw", "/a/b bind rbind,rprivate,rw", "/a/b/c bind rbind,rprivate,rw",
				"/etc/hostname bind", "/etc/hosts bind", "/etc/resolv.conf bind",
			},
		},
		{
			name: "a file of gocker's own, and one in its parent",
			c: Container{Record: Record{Mounts: []MountPoint{
				{Type: "bind", Source: "/src", Destination: "/etc/hosts", RW: true, Propagation: "rprivate"},
				{Type: "bind", Source: "/src", Destination: "/etc", RW: true, Propagation: "rprivate"},
			}}},
			want: []string{
				"/dev/mqueue mqueue", "/dev/shm shm", "/etc bind rbind,rprivate,rw", "/etc/hostname bind",
				"/etc/hosts bind rbind,rprivate,rw", "/etc/resolv.conf bind",
			},
		},
		{
			name: "the host's whole /dev",
			c: Container{Record: Record{Mounts: []MountPoint{
				{Type: "bind", Source: "/dev", Destination: "/dev", RW: true, Propagation: "rprivate"},
			}}},
			want: []string{
				"/dev bind rbind,rprivate,rw", "/etc/hostname bind", "/etc/hosts bind", "/etc/resolv.conf bind",
			},
		},
		{
			name: "tmpfs",
			c: Container{Record: Record{
				HostConfig: HostConfig{
					Tmpfs:  map[string]string{"/t/": "", "/dev/shm": "size=1m,exec"},
					Mounts: []Mount{{Type: "tmpfs", Options: []string{"size=1048576", "mode=700"}}},
				},
				Mounts: []MountPoint{{Type: "tmpfs", Destination: "/m"}},
			}},
			want: []string{
				"/dev/mqueue mqueue", "/dev/shm tmpfs noexec,nosuid,nodev,size=1m,exec",
				"/etc/hostname bind", "/etc/hosts bind", "/etc/resolv.conf bind",
				"/m tmpfs noexec,nosuid,nodev,ro,size=1048576,mode=700", "/t tmpfs noexec,nosuid,nodev",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, m := range c.c.specMounts() {
				if line := mountWords(m); line != "" {
					got = append(got, line)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func mountWords(m specs.Mount) string {
	switch m.Destination {
	case "/proc", "/sys", "/sys/fs/cgroup", "/dev/pts":
		return ""
	case "/dev":
		if m.Type == "tmpfs" {
			return ""
		}
	}
	switch {
	case m.Source == "shm" || m.Type == "mqueue":
		return m.Destination + " " + m.Source
	case !slices.Contains(m.Options, "rw") && !slices.Contains(m.Options, "ro") && !slices.Contains(m.Options, "rro") && m.Type == "bind":
		return m.Destination + " bind" // gocker's own file
	}
	return m.Destination + " " + m.Type + " " + strings.Join(m.Options, ",")
}
