package container

import (
	"fmt"
	"strings"
	"testing"

	"gocker/cgroup"
)

// viewOf makes a view that differs from the plain one by what change does.
func viewOf(id string, change func(*View)) *View {
	v := &View{
		id: strings.Repeat(id, 64), Image: "busybox",
		Command:    CommandView{Args: []string{"sh"}, Cwd: "/", Hostname: strings.Repeat(id, 12), Env: []string{"A=1", "HOSTNAME=" + strings.Repeat(id, 12)}},
		Namespaces: []NamespaceView{{Type: "net", Inode: 7}, {Type: "time", Shared: true}},
		Root:       RootView{Type: "overlay", Layers: []LayerView{{ChainID: "sha256:aaaaaaaaaaaaaaaa", Size: 1000}, {Dir: "/c/" + strings.Repeat(id, 64) + "/upper", Writable: true}}},
		Cgroups:    []cgroup.Place{{Files: []cgroup.File{{Name: "pids.max", What: "processes", Kind: cgroup.Limit, Value: 20}, {Name: "pids.current", What: "processes", Kind: cgroup.Use, Value: float64(id[0])}}}},
		Mounts:     []MountView{{Target: "/", Type: "overlay", Source: id}, {Target: "/etc/hosts", Type: "ext4", Source: "/dev/x[/c/" + strings.Repeat(id, 64) + "/hosts]", Options: "rw"}},
		Privileges: PrivilegesView{Effective: []string{"cap_chown"}, Bounding: []string{"cap_chown", "cap_kill"}},
		Network:    NetworkView{Mode: "none", Interfaces: []InterfaceView{{Name: "lo", Addresses: []string{"127.0.0.1/8"}}}},
	}
	if change != nil {
		change(v)
	}
	return v
}

func TestCompareTellsWhatDiffersAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*View)
		want   string
	}{
		{"two of a kind", nil, ""},
		{"a limit that is not set", func(v *View) { v.Cgroups = nil }, "limits processes: at most 20   (pids.max) | not set"},
		{"another image on the same layers", func(v *View) {
			v.Image = "mine"
			v.Root.Layers = append([]LayerView{v.Root.Layers[0], {ChainID: "sha256:bb", Size: 2000}}, v.Root.Layers[1:]...)
		}, "command image: busybox | mine\nroot layer:  | sha256:bb (2kB)"},
		{"variables", func(v *View) { v.Command.Env = []string{"A=2", "B=1", v.Command.Env[1]} }, "command $A: 1 | 2\ncommand $B:  | 1"},
		{"the host's network", func(v *View) {
			v.Namespaces[0].Shared, v.Network.Shared, v.Network.Mode = true, true, "host"
		}, "namespaces net: its own | the host's: the container has the host's interfaces and ports, and reaches what listens on its loopback\nnetwork network: none | host\nnetwork interface lo: 127.0.0.1/8 | "},
		{"a capability more, and one less", func(v *View) {
			v.Privileges.Bounding = []string{"cap_chown", "cap_mknod"}
		}, "privileges cap_kill: bounding | \nprivileges cap_mknod:  | bounding"},
		{"read-only", func(v *View) { v.Root.ReadOnly, v.Mounts[1].Options = true, "ro" }, "root access: the container can write to it | read-only\nmounts /etc/hosts: ext4   /dev/x[/c/<id>/hosts]   rw | ext4   /dev/x[/c/<id>/hosts]   ro"},
	} {
		var lines []string
		for _, d := range Compare(viewOf("a", nil), viewOf("b", c.change)) {
			lines = append(lines, fmt.Sprintf("%s %s: %s | %s", d.Part, d.What, d.A, d.B))
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}
