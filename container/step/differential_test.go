package step_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// hostile is a name that a tool may take for an option and sh for a program.
const hostile = "-n 'a' \"b\" $HOME `id` \\ *\n;#é"

// environ is what a probe is executed with.
var environ = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOSTILE=" + hostile}

// verb is one case of the differential test. The working directory is a fresh
// tmpfs, /mnt/t. Descriptor 7 reads a file, descriptor 8 writes one.
type verb struct {
	name  string
	setup string // run by sh before the steps
	tree  string // opened as a detached mount at descriptor 9
	pidfd bool   // descriptor 9 is the helper, process 1
	netns string // a network namespace that descriptors 9 and 10 are of, mounted
	steps []step.Step
	look  string // what the probe prints beside its usual sections
	fails bool   // in all ways
	// inside marks steps that change the very process that does them, or its
	// descriptors, so that a Go program can't do them for another one.
	inside bool
}

var verbs = []verb{
	{name: "a directory has its mode whatever the umask", steps: []step.Step{
		step.Umask{Mask: 0o77}, step.Mkdir{Path: "a", Mode: 0o755}, step.Mkdir{Path: "b", Mode: 0o1777}, step.Mkdir{Path: "c", Mode: 0o2750}, step.Mkdir{Path: hostile, Mode: 0o700},
	}},
	{name: "a directory that may be there keeps its mode", setup: "mkdir -m 0700 a", steps: []step.Step{
		step.Mkdir{Path: "a", Mode: 0o755, Parents: true}, step.Mkdir{Path: "b", Mode: 0o755, Parents: true},
	}},
	{name: "a directory may be there on a read-only filesystem", setup: "mkdir a; mount -t tmpfs x a; mkdir a/b; mount -o remount,ro a", steps: []step.Step{
		step.Mkdir{Path: "a/b", Mode: 0o755, Parents: true}, step.MkdirAll{Path: "a/b"},
	}},
	{name: "a directory can't be made twice", setup: "mkdir a", steps: []step.Step{step.Mkdir{Path: "a", Mode: 0o755}}, fails: true},
	{name: "a file is no directory", setup: "touch a", steps: []step.Step{step.Mkdir{Path: "a", Mode: 0o755, Parents: true}}, fails: true},
	{name: "a file is no directory, nor a parent of one", setup: "touch a", steps: []step.Step{step.MkdirAll{Path: "a/b/c"}}, fails: true},
	{name: "missing parents are made with the umask", setup: "mkdir -m 0711 x", steps: []step.Step{
		step.Umask{Mask: 0o27}, step.MkdirAll{Path: "/mnt/t/x//y/z/"}, step.MkdirAll{Path: "-p/" + hostile + "/q"}, step.MkdirAll{Path: "x"}, step.MkdirAll{Path: "/"},
	}},
	{name: "an empty directory is removed", setup: "mkdir a ./-rf", steps: []step.Step{step.Rmdir{Path: "a"}, step.Rmdir{Path: "-rf"}}},
	{name: "a directory that is gone counts as removed", steps: []step.Step{step.Rmdir{Path: hostile}}},
	{name: "a full directory is not removed", setup: "mkdir -p a/b", steps: []step.Step{step.Rmdir{Path: "a"}}, fails: true},
	{name: "a file is not removed as a directory", setup: "touch a", steps: []step.Step{step.Rmdir{Path: "a"}}, fails: true},
	{name: "a file is made with the umask", steps: []step.Step{
		step.Umask{Mask: 0}, step.Touch{Path: "a"}, step.Umask{Mask: 0o77}, step.Touch{Path: "b"}, step.Touch{Path: hostile},
	}},
	{name: "what is there is not touched", setup: "echo text > a; mkdir b; mkfifo c; mknod d c 1 3", steps: []step.Step{
		step.Touch{Path: "a"}, step.Touch{Path: "b"}, step.Touch{Path: "c"}, step.Touch{Path: "d"},
	}},
	{name: "a file may be there on a read-only filesystem", setup: "mkdir a; mount -t tmpfs x a; touch a/b; mount -o remount,ro a", steps: []step.Step{step.Touch{Path: "a/b"}}},
	{name: "a file takes the data alone", setup: "echo a long former text > a; echo x > b; touch ./-c", steps: []step.Step{
		step.Write{Path: "a", Data: hostile}, step.Write{Path: "b", Data: ""}, step.Write{Path: "-c", Data: `-e \t%s\n` + "\n\n"},
	}},
	{name: "a file of the kernel takes the data", steps: []step.Step{
		step.Write{Path: "/proc/sys/net/ipv4/ping_group_range", Data: "0 2147483647"}, step.Write{Path: "/proc/sys/net/ipv4/ip_unprivileged_port_start", Data: "0"},
	}, look: "cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start"},
	{name: "the kernel refuses the data", steps: []step.Step{step.Write{Path: "/proc/sys/net/ipv4/ip_unprivileged_port_start", Data: "many"}}, fails: true},
	{name: "a parameter that the kernel lacks is not made", steps: []step.Step{step.Write{Path: "/proc/sys/net/no_such", Data: "1"}}, fails: true},
	{name: "a file of a cgroup takes the data", setup: "mkdir /mnt/cg; mount -t cgroup2 none /mnt/cg; rmdir /mnt/cg/step-test 2> /dev/null || :", steps: []step.Step{
		step.Mkdir{Path: "/mnt/cg/step-test", Mode: 0o755}, step.Write{Path: "/mnt/cg/step-test/cgroup.max.depth", Data: "3"}, step.Write{Path: "/mnt/cg/step-test/cgroup.freeze", Data: "1"},
	}, look: "cd /mnt/cg/step-test; grep '' cgroup.freeze cgroup.max.depth cgroup.procs; stat -c %a .; rmdir /mnt/cg/step-test"},
	{name: "a device has its mode whatever the umask", steps: []step.Step{
		step.Umask{Mask: 0o77}, step.Mknod{Path: "null", Type: 'c', Major: 1, Minor: 3, Mode: 0o666}, step.Mknod{Path: hostile, Type: 'b', Major: 7, Minor: 1048575, Mode: 0o640}, step.Mknod{Path: "x", Type: 'c', Major: 511, Minor: 300, Mode: 0},
	}},
	{name: "a device can't be made twice", setup: "touch null", steps: []step.Step{step.Mknod{Path: "null", Type: 'c', Major: 1, Minor: 3, Mode: 0o666}}, fails: true},
	{name: "a link leads to anything", steps: []step.Step{
		step.Symlink{Target: "/proc/self/fd", Path: "fd"}, step.Symlink{Target: hostile, Path: "a"}, step.Symlink{Target: "a", Path: hostile}, step.Symlink{Target: "-f", Path: "-s"},
	}},
	{name: "a link is not put into a directory", setup: "mkdir d; ln -s d e", steps: []step.Step{step.Symlink{Target: "a", Path: "d"}}, fails: true},
	{name: "a link is not put into a directory that a link leads to", setup: "mkdir d; ln -s d e", steps: []step.Step{step.Symlink{Target: "a", Path: "e"}}, fails: true},
	{name: "a name is removed", setup: "mkdir d; ln -s d e; touch f ./-r", steps: []step.Step{step.Unlink{Path: "e"}, step.Unlink{Path: "f"}, step.Unlink{Path: "-r"}}},
	{name: "a name that is gone counts as removed", setup: "touch a", steps: []step.Step{step.Unlink{Path: hostile}, step.Unlink{Path: "a/b"}, step.Unlink{Path: "c/d"}}},
	{name: "a directory is not removed as a name", setup: "mkdir d", steps: []step.Step{step.Unlink{Path: "d"}}, fails: true},
	{name: "a file and a link have their owners", setup: "touch a ./-R; ln -s a l", steps: []step.Step{
		step.Chown{Path: "l", UID: 5, GID: 6}, step.Chown{Path: "-R", UID: 4294967294, GID: 0},
	}},
	{name: "what is not there has no owner", steps: []step.Step{step.Chown{Path: "a", UID: 1, GID: 1}}, fails: true},
	{name: "the working directory is a path", steps: []step.Step{step.Chdir{Path: "/mnt"}}},
	{name: "the working directory is a dash", setup: "mkdir ./- ./-P", steps: []step.Step{step.Chdir{Path: "-"}, step.Chdir{Path: ".."}, step.Chdir{Path: "-P"}}},
	{name: "the working directory has any name", setup: `mkdir "./$HOSTILE"`, steps: []step.Step{step.Chdir{Path: hostile}}},
	{name: "the parent of the working directory is the real one", setup: "mkdir -p a/b c; ln -s ../a/b c/l", steps: []step.Step{step.Chdir{Path: "/mnt/t/c/l/.."}}},
	{name: "the parent of the working directory is the real one in two steps", setup: "mkdir -p a/b c; ln -s ../a/b c/l", steps: []step.Step{step.Chdir{Path: "c/l"}, step.Chdir{Path: ".."}}},
	{name: "the working directory is not there", steps: []step.Step{step.Chdir{Path: "a"}}, fails: true},

	{name: "the host has a name", steps: []step.Step{step.Sethostname{Name: "inside"}}},
	{name: "the host has a strange name", steps: []step.Step{step.Sethostname{Name: "-n 'a' \"b\" $HOME `id` \\ *;#é"}}},
	{name: "the loopback interface is up", steps: []step.Step{step.LinkUp{Name: "lo"}}},
	{name: "an interface is up and keeps its other flags", setup: "ip link add veth0 address 02:00:00:00:00:01 type veth peer name up address 02:00:00:00:00:02; ip link set veth0 multicast off arp off allmulticast on", steps: []step.Step{
		step.LinkUp{Name: "veth0"}, step.LinkUp{Name: "up"}, step.LinkUp{Name: "up"},
	}},
	{name: "an interface that is not there can't be up", steps: []step.Step{step.LinkUp{Name: "eth9"}}, fails: true},
	{name: "a bridge is made", steps: []step.Step{
		step.Bridge{Name: "br0", MAC: mac}, step.Address{Link: "br0", Prefix: netip.MustParsePrefix("172.18.0.1/16")}, step.LinkUp{Name: "br0"},
	}, look: "ip -j addr show dev br0; ip -j route"},
	{name: "a bridge that is there is left as it is", setup: "ip link add br0 address 02:00:00:00:00:01 type bridge; ip link set br0 up", steps: []step.Step{step.Bridge{Name: "br0", MAC: mac}}},
	{name: "an interface has no such name", steps: []step.Step{step.Bridge{Name: "sixteen-letters-", MAC: mac}}, fails: true},
	{name: "an interface is removed", setup: "ip link add br0 type bridge", steps: []step.Step{step.DelLink{Name: "br0"}, step.DelLink{Name: "br0"}}},
	{name: "loopback can't be removed", steps: []step.Step{step.DelLink{Name: "lo"}}, fails: true},
	{name: "an address is of a small network", setup: "ip link add br0 address 02:00:00:00:00:01 type bridge", steps: []step.Step{
		step.Address{Link: "br0", Prefix: netip.MustParsePrefix("10.9.8.6/29")}, step.LinkUp{Name: "br0"},
	}, look: "ip -j addr show dev br0; ip -j route"},
	{name: "an interface that is not there has no address", steps: []step.Step{step.Address{Link: "br0", Prefix: netip.MustParsePrefix("10.9.8.6/29")}}, fails: true},
	{name: "what is for elsewhere goes to a gateway", setup: "ip link add br0 address 02:00:00:00:00:01 type bridge; ip addr add 172.18.0.2/16 dev br0; ip link set br0 up", steps: []step.Step{
		step.DefaultRoute{Gateway: netip.MustParseAddr("172.18.0.1")},
	}, look: "ip -j route"},
	{name: "a gateway is not on any link", steps: []step.Step{step.DefaultRoute{Gateway: netip.MustParseAddr("172.18.0.1")}}, fails: true},
	{name: "a cable leads into a bridge of another namespace", inside: true, netns: "/mnt/there", setup: `touch /mnt/there; unshare --net=/mnt/there sh -ec "ip link add br0 index 77 address 02:00:00:00:00:01 type bridge; ip link set br0 up"`, steps: []step.Step{
		step.Veth{FD: 9, Own: 10, Name: "veth0", Bridge: "br0", BridgeIndex: 77, Inside: "eth0", MAC: mac},
		step.Address{Link: "eth0", Prefix: netip.MustParsePrefix("172.18.0.2/16")},
		step.LinkUp{Name: "eth0"},
		step.DefaultRoute{Gateway: netip.MustParseAddr("172.18.0.1")},
	}, look: `ip -j addr show dev eth0 | sed 's/"link_index":[0-9]*,//; s/,{"family":"inet6".*//'; ip -j route; nsenter --net=/proc/self/fd/9 ip -j link | sed 's/"address":"[^"]*",//g; s/"link_index":[0-9]*,//'`},
	{name: "a cable's name is taken", inside: true, netns: "/mnt/there", setup: `touch /mnt/there; unshare --net=/mnt/there sh -ec "ip link add br0 index 77 type bridge; ip link add veth0 type bridge"`, steps: []step.Step{
		step.Veth{FD: 9, Own: 10, Name: "veth0", Bridge: "br0", BridgeIndex: 77, Inside: "eth0", MAC: mac},
	}, fails: true},
	{name: "the umask is set", steps: []step.Step{step.Umask{Mask: 0o137}}},
	{name: "limits are set", steps: []step.Step{
		step.Rlimit{Resource: "nofile", Soft: 100, Hard: 2000}, step.Rlimit{Resource: "core", Soft: 0, Hard: 0}, step.Rlimit{Resource: "as", Soft: ^uint64(0), Hard: ^uint64(0)}, step.Rlimit{Resource: "fsize", Soft: 1 << 62, Hard: ^uint64(0) - 1},
	}},
	{name: "a limit is not above its hard one", steps: []step.Step{step.Rlimit{Resource: "nofile", Soft: 3, Hard: 2}}, fails: true},
	{name: "a limit has a known name", steps: []step.Step{step.Rlimit{Resource: "files", Soft: 1, Hard: 1}}, fails: true},
	{name: "descriptors are copied", inside: true, steps: []step.Step{
		step.Dup{From: 7, To: 0}, step.Dup{From: 8, To: 1}, step.Dup{From: 8, To: 3}, step.Dup{From: 8, To: 4}, step.Dup{From: 8, To: 5}, step.Dup{From: 8, To: 6}, step.Dup{From: 7, To: 7}, step.Dup{From: 7, To: 9},
	}},
	{name: "a descriptor that is closed is not copied", steps: []step.Step{step.Dup{From: 99, To: 0}}, fails: true},
	{name: "descriptors are closed", steps: []step.Step{step.CloseFrom{First: 3}}},
	{name: "descriptors are closed from a number up", steps: []step.Step{step.CloseFrom{First: 8}}},

	{
		name: "a process gets namespaces of its own", inside: true, steps: []step.Step{step.Unshare{Flags: unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP}},
		setup: "for n in uts cgroup net; do readlink /proc/self/ns/$n >/mnt/$n; done",
		look:  `for n in uts cgroup net; do [ "$(readlink /proc/$$/ns/$n)" = "$(cat /mnt/$n)" ] && echo $n as before || echo $n is new; done`,
	},
	{
		name: "a process enters the namespaces of another", inside: true, pidfd: true, steps: []step.Step{
			step.Unshare{Flags: unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET},
			step.Enter{FD: 9, PID: 1, Flags: unix.CLONE_NEWUTS | unix.CLONE_NEWNET},
		},
		setup: "for n in uts net ipc; do readlink /proc/self/ns/$n >/mnt/$n; done",
		look:  `for n in uts net ipc; do [ "$(readlink /proc/$$/ns/$n)" = "$(cat /mnt/$n)" ] && echo $n as before || echo $n is new; done`,
	},
	{name: "a process leads a session", inside: true, steps: []step.Step{step.Setsid{}}},
	{name: "a process has a user and no groups", steps: []step.Step{step.User{UID: 1000, GID: 1001}}},
	{name: "a process has a user and groups", steps: []step.Step{step.User{UID: 1000, GID: 1001, Groups: []uint32{7, 5, 4294967294, 1001}}}},
	{name: "a process is root in a group", steps: []step.Step{step.User{UID: 0, GID: 5, Groups: []uint32{5}}}},
	{name: "a process can never have some capabilities", steps: []step.Step{step.DropBounding{Drop: capabilities("sys_admin", "CAP_NET_RAW", "checkpoint_restore", "chown")}}},
	{name: "a process can never have any capability", steps: []step.Step{step.DropBounding{Drop: known}}},
	{name: "no capability is dropped", steps: []step.Step{step.DropBounding{}}},
	{name: "a capability that the kernel lacks is not dropped", steps: []step.Step{step.DropBounding{Drop: 1 << 62}}, fails: true},
	{name: "a process inherits no capability", steps: []step.Step{step.Capset{Permitted: bounding()}}},
	{name: "a process gains no privilege", steps: []step.Step{step.NoNewPrivs{}}},
	{name: "root gives up power as docker has it", inside: true, steps: []step.Step{
		step.Setsid{}, step.DropBounding{Drop: known &^ docker}, step.User{}, step.Capset{Permitted: docker}, step.NoNewPrivs{},
	}},
	{name: "root gives up all power", inside: true, steps: []step.Step{
		step.Setsid{}, step.DropBounding{Drop: known}, step.User{}, step.Capset{}, step.NoNewPrivs{},
	}},
	{name: "a user gives up all power", inside: true, steps: []step.Step{
		step.DropBounding{Drop: known}, step.User{UID: 33, GID: 33, Groups: []uint32{33, 5}}, step.Capset{}, step.NoNewPrivs{}, step.NoNewPrivs{},
	}},
	{name: "a user gives up power as docker has it", inside: true, steps: []step.Step{
		step.Setsid{}, step.DropBounding{Drop: known &^ docker}, step.User{UID: 33, GID: 33, Groups: []uint32{33}}, step.Capset{}, step.NoNewPrivs{},
	}},
	{name: "a program has any arguments and environment", steps: []step.Step{step.Exec{
		Files: []string{"/usr/bin/sh", "/bin/sh"}, Args: []string{"sh", "/mnt/probe", hostile, "", "-x", "--", "a=b", "\n"},
		Env: []string{"PATH=/usr/bin:/bin", "-u=1", "A=" + hostile, "B=", "C==", "D D='\n"},
	}}},
	{name: "a program has no environment", steps: []step.Step{step.Exec{Files: []string{"/bin/sh"}, Args: []string{"/bin/sh", "/mnt/probe"}, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}}},
	{name: "a program has a name that env takes for a variable", setup: "mkdir bin; ln -s /bin/sh bin/a=b", steps: []step.Step{step.Exec{
		Files: step.LookPath("a=b", "/nowhere:/mnt/t/bin:/bin"), Args: []string{"a=b", "/mnt/probe"}, Env: []string{"PATH=/nowhere:/mnt/t/bin:/bin"},
	}}},
	{name: "a program has a name that env takes for an option", setup: "mkdir bin; ln -s /bin/sh bin/-i", steps: []step.Step{step.Exec{
		Files: step.LookPath("-i", "/nowhere:/mnt/t/bin:/bin"), Args: []string{"-i", "/mnt/probe"}, Env: []string{"PATH=/nowhere:/mnt/t/bin:/bin"},
	}}},
	{name: "a program is found in the first directory that has one", setup: "mkdir a b c; mkdir a/prog; touch b/prog; ln -s /bin/sh c/prog", steps: []step.Step{step.Exec{
		Files: step.LookPath("prog", "/mnt/t/a:/mnt/t/b:/mnt/t/b/prog:/mnt/t/c"), Args: []string{"prog", "/mnt/probe"}, Env: []string{"PATH=/mnt/t/a:/mnt/t/b:/mnt/t/b/prog:/mnt/t/c:/bin"},
	}}},
	{name: "a program is not there", steps: []step.Step{step.Exec{Files: []string{"/no/such"}, Args: []string{"/no/such"}}}, fails: true},

	{name: "a filesystem is mounted", setup: "mkdir a", steps: []step.Step{step.Mount{Source: "tmpfs", Target: "a", Type: "tmpfs"}}},
	{name: "a filesystem is mounted with options of its own", setup: "mkdir a", steps: []step.Step{
		step.Mount{Source: "shm", Target: "/mnt/t/a", Type: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_STRICTATIME, Data: "mode=1777,size=65536k,nr_inodes=100"},
	}, look: "stat -c %a a"},
	{name: "a filesystem has any source and place", setup: `mkdir "./$HOSTILE" ./-a ./-b`, steps: []step.Step{
		step.Mount{Source: hostile, Target: hostile, Type: "tmpfs"},
		step.Mount{Target: "-a", Type: "tmpfs"},
		step.Mount{Source: hostile, Target: "-b", Flags: unix.MS_BIND},
		step.Mount{Target: "-b", Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
		step.Mount{Target: "-b", Flags: unix.MS_SHARED},
		step.Unmount{Target: "-a"},
	}},
	{name: "a container's own filesystems are mounted", setup: "mkdir proc sys dev; mkdir -p cg", steps: []step.Step{
		step.Mount{Source: "proc", Target: "proc", Type: "proc", Flags: unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
		step.Mount{Source: "sysfs", Target: "sys", Type: "sysfs", Flags: unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
		step.Mount{Source: "cgroup", Target: "cg", Type: "cgroup2", Flags: unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
		step.Mount{Source: "tmpfs", Target: "dev", Type: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_STRICTATIME, Data: "mode=755,size=65536k"},
		step.Mkdir{Path: "dev/pts", Mode: 0o755},
		step.Mkdir{Path: "dev/mqueue", Mode: 0o755},
		step.Mount{Source: "devpts", Target: "dev/pts", Type: "devpts", Flags: unix.MS_NOSUID | unix.MS_NOEXEC, Data: "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		step.Mount{Source: "mqueue", Target: "dev/mqueue", Type: "mqueue", Flags: unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
		step.Mount{Source: "tmpfs", Target: "proc/fs", Type: "tmpfs", Flags: unix.MS_RDONLY, Data: "size=0k"},
		step.Mount{Source: "/dev/null", Target: "proc/timer_list", Flags: unix.MS_BIND},
		step.Mount{Source: "proc/sys", Target: "proc/sys", Flags: unix.MS_BIND | unix.MS_REC},
		step.Mount{Target: "proc/sys", Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	}, look: "ls -l dev dev/pts"},
	{name: "an overlay is mounted", setup: "mkdir 1 2 u w m; echo 1 > 1/a; echo 2 > 2/a; touch 1/b", steps: []step.Step{
		step.Mount{Source: "overlay", Target: "m", Type: "overlay", Data: "lowerdir=2:1,upperdir=u,workdir=w"},
	}, look: "grep '' m/*; echo 3 > m/a; ls -lR u | grep -v total | sed 's/:[0-9][0-9]//'"},
	{name: "an overlay of many layers is mounted", setup: "seq 127 | xargs mkdir u w m", steps: []step.Step{
		step.Mount{Source: "overlay", Target: "m", Type: "overlay", Data: "lowerdir=" + numbers(127) + ",upperdir=u,workdir=w"},
	}},
	{name: "a directory is bound", setup: "mkdir a b; mount -t tmpfs -o nosuid,noatime x a; mkdir a/c; mount -t tmpfs y a/c", steps: []step.Step{
		step.Mount{Source: "a", Target: "b", Flags: unix.MS_BIND},
	}},
	{name: "a directory is bound with what is mounted in it", setup: "mkdir a b; mount -t tmpfs -o nosuid,noatime x a; mkdir a/c; mount -t tmpfs y a/c", steps: []step.Step{
		step.Mount{Source: "a", Target: "b", Flags: unix.MS_BIND | unix.MS_REC}, step.Mount{Target: "b", Flags: unix.MS_PRIVATE | unix.MS_REC},
	}},
	{name: "a file is bound", setup: "echo text > a; touch b; ln -s a c; ln -s b d", steps: []step.Step{step.Mount{Source: "c", Target: "d", Flags: unix.MS_BIND}}},
	{name: "a directory is not bound on a file", setup: "mkdir a; touch b", steps: []step.Step{step.Mount{Source: "a", Target: "b", Flags: unix.MS_BIND}}, fails: true},
	{name: "a bind loses the flags that are not said again", setup: "mkdir a; mount -t tmpfs -o nosuid,nodev,noexec,noatime x a", steps: []step.Step{
		step.Mount{Target: "a", Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NODEV},
	}},
	{name: "a bind loses all flags", setup: "mkdir a; mount -t tmpfs -o ro,nosuid,nodev,noexec x a", steps: []step.Step{step.Mount{Target: "a", Flags: unix.MS_REMOUNT | unix.MS_BIND}}},
	{name: "a filesystem gets other options", setup: "mkdir a; mount -t tmpfs -o nosuid,size=1m,mode=700 x a", steps: []step.Step{
		step.Mount{Target: "a", Flags: unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NODEV, Data: "size=2m"},
	}},
	{name: "a filesystem loses its options", setup: "mkdir a; mount -t tmpfs -o ro,nosuid,size=1m x a", steps: []step.Step{step.Mount{Source: "x", Target: "a", Flags: unix.MS_REMOUNT}}},
	{name: "a mount is moved", setup: "mkdir a b; mount -t tmpfs -o noexec x a", steps: []step.Step{step.Mount{Source: "a", Target: "b", Flags: unix.MS_MOVE}}},
	{name: "a place is not there", steps: []step.Step{step.Mount{Source: "x", Target: "a", Type: "tmpfs"}}, fails: true},
	{name: "a filesystem is not known", setup: "mkdir a", steps: []step.Step{step.Mount{Source: "x", Target: "a", Type: "nosuchfs"}}, fails: true},
	{name: "a filesystem refuses an option", setup: "mkdir a", steps: []step.Step{step.Mount{Source: "x", Target: "a", Type: "tmpfs", Data: "colour=red"}}, fails: true},
	{name: "a mount that was opened is moved in", setup: "mkdir a ./-b; mount -t tmpfs x a; mkdir a/c; mount -t tmpfs y a/c", tree: "a", steps: []step.Step{
		step.MoveMount{FD: 9, Source: "a", Target: "-b", Recursive: true},
	}},
	{name: "a file that was opened is moved in", setup: "echo text > a; touch b; ln -s b c", tree: "a", steps: []step.Step{step.MoveMount{FD: 9, Source: "a", Target: "c"}}},
	{name: "a file that was opened is not moved on a directory", setup: "echo text > a; mkdir b", tree: "a", steps: []step.Step{step.MoveMount{FD: 9, Source: "a", Target: "b"}}, fails: true},
	{name: "a mount is detached", setup: "mkdir a; mount -t tmpfs x a; mkdir a/b; mount -t tmpfs y a/b", steps: []step.Step{step.Unmount{Target: "a", Flags: unix.MNT_DETACH}}},
	{name: "a mount is taken away", setup: "mkdir a; mount -t tmpfs x a; mount -t tmpfs y a", steps: []step.Step{step.Unmount{Target: "a"}}},
	{name: "a mount that holds another is not taken away", setup: "mkdir a; mount -t tmpfs x a; mkdir a/b; mount -t tmpfs y a/b", steps: []step.Step{step.Unmount{Target: "a"}}, fails: true},
	{name: "the root is stacked on the new one and let go", setup: "mkdir new; mount --rbind / new", steps: []step.Step{
		step.Chdir{Path: "new"}, step.PivotRoot{New: ".", Old: "."}, step.Unmount{Target: ".", Flags: unix.MNT_DETACH}, step.Chdir{Path: "/"},
	}},
	{name: "the root is put into the new one", setup: "mkdir new; mount --rbind / new", steps: []step.Step{
		step.PivotRoot{New: "/mnt/t/new", Old: "/mnt/t/new/srv"}, step.Chdir{Path: "/"}, step.Unmount{Target: "/srv", Flags: unix.MNT_DETACH},
	}},
	{name: "a directory that is no mount can't be the root", setup: "mkdir new new/old", steps: []step.Step{step.PivotRoot{New: "new", Old: "new/old"}}, fails: true},
	{name: "the root is changed", setup: "mkdir ./-new; mount --rbind / ./-new", steps: []step.Step{step.Chroot{Path: "-new"}}},
	{name: "the root is moved over the host's", setup: "mkdir new; mount --rbind / new", steps: []step.Step{
		step.Chdir{Path: "new"}, step.Mount{Source: ".", Target: "/", Flags: unix.MS_MOVE}, step.Chroot{Path: "."},
	}},
	limits(), optionWords(), propagations(),
}

// mac is an address that is nobody's.
var mac = [6]byte{2, 0x11, 0x22, 0x33, 0x44, 0x55}

// known are the capabilities of this package, and docker those that docker
// leaves to a container.
var (
	known  = step.CapSet(1<<41 - 1)
	docker = capabilities("chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap", "net_bind_service", "sys_chroot", "kill", "audit_write")
)

// limits lowers each resource's limit, which needs no privilege.
func limits() verb {
	v := verb{name: "each limit is lowered"}
	for _, name := range strings.Fields("as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack") {
		resource, ok := step.RlimitNumber(name)
		var have unix.Rlimit
		if err := unix.Getrlimit(resource, &have); err != nil || !ok {
			panic(name)
		}
		hard := min(have.Max, 1<<33) &^ 3
		v.steps = append(v.steps, step.Rlimit{Resource: name, Soft: min(have.Cur, hard) / 2, Hard: hard})
	}
	return v
}

// optionWords has each option of mount, on a new filesystem and on a bind of
// one.
func optionWords() verb {
	v := verb{name: "each option is mounted"}
	for i, word := range strings.Fields("ro nosuid nodev noexec sync dirsync noatime nodiratime relatime strictatime nosymfollow lazytime mand iversion silent noatime,nodiratime ro,nosuid,nodev,noexec,relatime") {
		flags, data := step.MountFlags(strings.Split(word, ","))
		if flags == 0 || data != "" {
			panic(word)
		}
		a, b := fmt.Sprint("a", i), fmt.Sprint("b", i)
		v.setup += fmt.Sprintf("mkdir %[1]s %[2]s; mount --bind %[1]s %[2]s;", a, b)
		v.steps = append(v.steps,
			step.Mount{Source: word, Target: a, Type: "tmpfs", Flags: flags},
			step.Mount{Target: b, Flags: unix.MS_REMOUNT | unix.MS_BIND | flags})
	}
	return v
}

// propagations has each kind of propagation, of one mount and of all that are
// in it.
func propagations() verb {
	v := verb{name: "each propagation is set"}
	for _, flag := range []uintptr{unix.MS_PRIVATE, unix.MS_SLAVE, unix.MS_SHARED, unix.MS_UNBINDABLE} {
		for _, rec := range []uintptr{0, unix.MS_REC} {
			for _, before := range []string{"shared", "private"} {
				a := fmt.Sprintf("%s-%x-%x", before, flag, rec)
				v.setup += fmt.Sprintf("mkdir %[1]s %[1]s.peer; mount -t tmpfs x %[1]s; mkdir %[1]s/c; mount -t tmpfs y %[1]s/c; mount --make-r%[2]s %[1]s; mount --rbind %[1]s %[1]s.peer\n", a, before)
				v.steps = append(v.steps, step.Mount{Target: a, Flags: flag | rec})
			}
		}
	}
	return v
}

func TestAVerbDoesWhatItsPrintedLineDoes(t *testing.T) {
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			want := outcome(t, v, byShell)
			for _, way := range []string{byFork, byDo} {
				if v.inside && way == byDo {
					continue
				}
				if got := outcome(t, v, way); got != want {
					t.Errorf("%s and sh differ:\n%s", way, difference(want, got))
				}
			}
		})
	}
}

func TestEveryVerbHasADifferentialCase(t *testing.T) {
	have := map[string]bool{
		"Clone": true, // TestACloneHasTheNamespacesOfItsPrintedLine
		// For printed scripts alone, which e2e executes as a whole.
		"OpenTree": true, "writeFD": true,
	}
	for _, v := range verbs {
		for _, s := range v.steps {
			have[reflect.TypeOf(s).Name()] = true
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Shell" {
				continue
			}
			found++
			if name := fmt.Sprint(f.Recv.List[0].Type); !have[name] {
				t.Errorf("%s has no case", name)
			}
		}
	}
	if found < 20 {
		t.Errorf("found only %d verbs", found)
	}
}

func capabilities(names ...string) step.CapSet {
	var set step.CapSet
	for _, name := range names {
		one, err := step.ParseCap(name)
		if err != nil {
			panic(err)
		}
		set |= one
	}
	return set
}

func bounding() step.CapSet {
	set, err := step.BoundingSet()
	if err != nil {
		panic(err)
	}
	return set
}

func numbers(n int) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprint(i+1))
	}
	return strings.Join(words, ":")
}
