package container

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStatusIsReadLineByLine(t *testing.T) {
	const living = `Name:	a b
State:	S (sleeping)
PPid:	70
Uid:	1	1000	1	1
Gid:	1	100	1	1
Groups:	10 20
NSpid:	71	1
Threads:	3
CapInh:	0000000000000000
CapPrm:	0000000000000003
CapEff:	0000000000000001
CapBnd:	00000000a80425fb
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
`
	for _, c := range []struct{ name, text, want string }{
		{"a process of a container", living, "71→1 a b S 70 3 1000:100 [10 20] [cap_chown] true filter 1"},
		{"one in the host's pid namespace", "State:\tR (running)\nNSpid:\t71\n", "71→71  R 0 0 0:0 [] [] false disabled 0"},
		{"one in a namespace of a container's", "State:\tR (running)\nNSpid:\t71\t5\t1\n", "71→5  R 0 0 0:0 [] [] false disabled 0"},
		{"a kernel without seccomp", "State:\tR (running)\nGroups:\t\n", "0→0  R 0 0 0:0 [] [] false disabled 0"},
		{"a process that has ended", "", "the process has ended"},
		{"a number that is none", "State:\tR\nThreads:\tmany\n", `proc status: "Threads:\tmany": strconv.Atoi: parsing "many": invalid syntax`},
		{"a line cut short", "State:\tR\nUid:\t1\n", `proc status: "Uid:\t1": too few fields`},
	} {
		got := ""
		if s, err := parseStatus(strings.NewReader(c.text)); err != nil {
			got = err.Error()
		} else {
			p, pid := s.privileges(), 0
			if len(s.pids) > 0 {
				pid = s.pids[0]
			}
			got = fmt.Sprint(pid, "→", s.ownPid(), " ", s.name, " ", s.state, " ", s.parent, " ", s.threads, " ", p.UID, ":", p.GID, " ", p.Groups, " ", p.Effective, " ", p.NoNewPrivs, " ", p.Seccomp, " ", p.Filters)
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestNamespaceIsTheNumberInBrackets(t *testing.T) {
	for _, c := range []struct {
		link string
		want uint64
		ok   bool
	}{
		{"net:[4026531840]", 4026531840, true},
		{"net:[]", 0, false},
		{"net:[12", 0, false},
		{"/proc/1", 0, false},
		{"", 0, false},
	} {
		if got, err := parseNamespace(c.link); got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %d, %v", c.link, got, err)
		}
	}
}

func TestArgumentsArePartedAtTheirNUL(t *testing.T) {
	for _, c := range []struct {
		cmdline string
		want    []string
	}{
		{"", nil},
		{"sh\x00-c\x00a b\x00", []string{"sh", "-c", "a b"}},
		{"sh\x00\x00", []string{"sh", ""}},
		{"nginx: worker", []string{"nginx: worker"}}, // setproctitle
	} {
		if got := parseCmdline([]byte(c.cmdline)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.cmdline, got, c.want)
		}
	}
}

func TestMountTableIsReadAsFindmntShowsIt(t *testing.T) {
	for _, c := range []struct {
		line string
		want MountView
	}{
		{"36 35 0:30 / / rw,relatime - overlay overlay rw,lowerdir=a", MountView{"/", "overlay", "overlay", "rw,relatime", "rw,lowerdir=a", "private"}},
		{`36 35 254:0 /a\040b /data ro shared:1 master:2 - ext4 /dev/vda rw`, MountView{"/data", "ext4", "/dev/vda[/a b]", "ro", "rw", "shared:1,master:2"}},
		{`36 35 0:30 / /x rw - tmpfs  rw`, MountView{"/x", "tmpfs", "", "rw", "rw", "private"}}, // a source of no letters
	} {
		got, err := parseMountinfo(strings.NewReader(c.line + "\n"))
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", c.line, got, err, c.want)
		}
	}
	for _, line := range []string{"x", "36 35 0:30 / / rw overlay overlay rw", "36 35 0:30 / / rw - overlay"} {
		if got, err := parseMountinfo(strings.NewReader(line)); err == nil {
			t.Errorf("%q is read as %+v", line, got)
		}
	}
}

func TestLayersAreThoseOfTheOverlayFromBottomToTop(t *testing.T) {
	for _, c := range []struct{ name, options, super, want string }{
		{"an image's layers, named where they are", "rw", "rw,lowerdir=top:bottom,upperdir=/c/upper,workdir=/c/work,index=off", "/store/bottom /store/top /c/upper+ work=/c/work"},
		{"one layer", "ro,relatime", "rw,lowerdir=/store/one,upperdir=/c/upper,workdir=/c/work", "ro /store/one /c/upper+ work=/c/work"},
		{"hostile names", "rw", `rw,lowerdir=/a\134:b\054c:/d\040e,upperdir=/u,workdir=/w`, "/d e /a:b,c /u+ work=/w"},
		{"a layer an option, Linux 6.8", "rw", "rw,lowerdir+=/b,lowerdir+=/a,upperdir=/u,workdir=/w", "/a /b /u+ work=/w"},
		{"nothing to write to", "rw", "ro,lowerdir=/b:/a", "/a /b"},
	} {
		r := rootOf(MountView{Target: "/", Type: "overlay", Options: c.options, Super: c.super}, "/store")
		var words []string
		if r.ReadOnly {
			words = append(words, "ro")
		}
		for _, l := range r.Layers {
			if l.Writable {
				l.Dir += "+"
			}
			words = append(words, l.Dir)
		}
		if r.Work != "" {
			words = append(words, "work="+r.Work)
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	if r := rootOf(MountView{Target: "/", Type: "ext4", Options: "rw"}, "/store"); len(r.Layers) != 0 {
		t.Errorf("a root without an overlay has layers: %+v", r.Layers)
	}
}

func TestKindOfALinkIsFoundAmongItsAttributes(t *testing.T) {
	attr := func(kind uint16, value string) []byte {
		b := native.AppendUint16(nil, uint16(4+len(value)))
		b = append(native.AppendUint16(b, kind), value...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"alone", attr(unix.IFLA_INFO_KIND, "veth\x00"), "veth"},
		{"behind another", append(attr(9, "abcde"), attr(unix.IFLA_INFO_KIND, "bridge\x00")...), "bridge"},
		{"none", attr(9, "abc"), ""},
		{"cut short", attr(unix.IFLA_INFO_KIND, "veth\x00")[:6], ""},
		{"a length of nothing", bytes.Repeat([]byte{0}, 8), ""},
		{"empty", nil, ""},
	} {
		if got := linkKind(c.b); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A process that ends is told from one that lives, at each moment of its end.
func TestAnEndingProcessIsNotRead(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := openProc(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := p.namespaces(); err != nil || !p.alive() {
		t.Errorf("a living process: alive %t, %v", p.alive(), err)
	}
	if _, err := openProc(cmd.Process.Pid, 1); err != errEnded {
		t.Errorf("another that had its number: %v", err)
	}

	in.Close()
	var info unix.Siginfo
	// A zombie: it has ended and nobody has waited for it.
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if p.alive() {
		t.Error("a zombie is alive")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if p.alive() {
		t.Error("a process that is gone is alive")
	}
	if _, err := p.status(); err == nil {
		t.Error("a process that is gone has a status")
	}
	if _, err := openProc(cmd.Process.Pid, 0); err != errEnded {
		t.Errorf("open a process that is gone: %v", err)
	}
}

// The oracle is ip(8).
func TestLinksAreThoseOfTheNamespace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("a network namespace needs root")
	}
	cmd := exec.Command("unshare", "--net", "sh", "-c", `
		ip link set lo up
		ip link add br0 type bridge
		ip link add one type veth peer name two
		ip link set two master br0
		ip addr add 10.77.0.2/24 dev one
		ip link set one up mtu 1400
		ip route add default via 10.77.0.1
		echo ready
		cat`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatal(err)
	}
	p, err := openProc(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ns, err := p.open("ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	l, err := readLinksIn(ns)
	if err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		if now, err := os.Readlink("/proc/self/task/" + thread.Name() + "/ns/net"); err == nil && now != before {
			t.Fatalf("thread %s is still in another network namespace: %s", thread.Name(), now)
		}
	}
	one, two, bridge := l.named("one"), l.named("two"), l.named("br0")
	if one == nil || two == nil || bridge == nil || l.named("lo") == nil {
		t.Fatalf("links are missing: %+v", l.interfaces)
	}
	if one.Kind != "veth" || one.Peer != two.Index || one.MTU != 1400 || !one.Up || !strings.HasPrefix(strings.Join(one.Addresses, " "), "10.77.0.2/24") {
		t.Errorf("one: %+v", one)
	}
	if two.Master != bridge.Index || two.Up || bridge.Kind != "bridge" {
		t.Errorf("two: %+v, br0: %+v", two, bridge)
	}
	want := []RouteView{{"default", "10.77.0.1", "one"}, {"10.77.0.0/24", "", "one"}}
	var got []RouteView
	for _, r := range l.routes {
		if !strings.Contains(r.To, ":") { // IPv6 makes its own
			got = append(got, r)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("routes: got %+v, want %+v", got, want)
	}
	if out := l.wayOut(); out == nil || out.Name != "one" {
		t.Errorf("the way out: %+v", out)
	}
}

func (l *links) named(name string) *InterfaceView {
	for i := range l.interfaces {
		if l.interfaces[i].Name == name {
			return &l.interfaces[i]
		}
	}
	return nil
}
