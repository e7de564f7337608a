package main

import "golang.org/x/sys/unix"

// experiment shows what one wall of a container is for: first with the wall left
// out, then with it.
type experiment struct {
	name, title string
	wall        string // what --without leaves out, see container.Walls
	idea        string // a paragraph before the steps
	// standIn are the CLONE_NEW* flags of namespaces that are made for the
	// experiment and stand for the host's, where the host's own would change.
	standIn       uintptr
	without, with []labStep
}

// labStep is one command, and what is to be seen of it.
type labStep struct {
	tell string // why, a sentence before it
	// do is the command, words with single spaces between them. "gocker" is
	// this program; any other is a tool of labtool.go, which runs on the host.
	// In words, these are replaced:
	//
	//	$ROOT        a root directory that has the tools and a file /note
	//	$LAB         the directory that $ROOT is in, on the host
	//	$CONTAINERS  where gocker keeps its containers
	//	$TOKEN       a word that nothing else on the machine has
	//
	// "start NAME COMMAND" leaves the command running from its line "ready X"
	// on: $NAME is then its pid, $NAME_says is X. "lives NAME" and "gone NAME"
	// look at it, "stop NAME" ends it. What is still there at the end is ended
	// then.
	do   string
	keep string // a variable that takes what the command prints
	code int    // the exit code that is told
	want string // a pattern that the output has, if not ""
	not  string // one that it does not have, if not ""
	seen string // what has been shown, a sentence after it
}

// experiments are listed and run in this order.
var experiments = []experiment{
	{
		name: "hostname", title: "a container renames the host", wall: "uts", standIn: unix.CLONE_NEWUTS,
		idea: "The kernel keeps a machine's name in a UTS namespace. So that yours keeps its own, a UTS namespace that is made for this experiment stands for the host's. Both containers may set the name: they have CAP_SYS_ADMIN.",
		without: []labStep{
			{do: "hostname the-host", want: "^the-host$"},
			{do: "gocker run --rm --network none --rootfs $ROOT --cap-add SYS_ADMIN --without uts hostname renamed", want: "renamed"},
			{tell: "What is the host called now?", do: "hostname", want: "^renamed$", seen: "The container has renamed the host."},
		},
		with: []labStep{
			{do: "hostname the-host", want: "^the-host$"},
			{do: "gocker run --rm --network none --rootfs $ROOT --cap-add SYS_ADMIN hostname renamed", want: "^renamed$"},
			{tell: "And now?", do: "hostname", want: "^the-host$", seen: "It has renamed nothing but itself."},
		},
	},
	{
		name: "processes", title: "a container sees and kills a process of the host", wall: "pid",
		idea: "A process can signal what it can name by a pid, and pids are counted in a PID namespace. The victim is a process of this experiment.",
		without: []labStep{
			{tell: "On the host there is a process:", do: "start victim wait $TOKEN"},
			{do: "gocker run --rm --network none --rootfs $ROOT --without pid ps", want: "$victim .*$TOKEN", seen: "The container sees it, by the pid that it has on the host."},
			{do: "gocker run --rm --network none --rootfs $ROOT --without pid kill $victim"},
			{do: "gone victim", want: "killed", seen: "The container has killed a process of the host."},
		},
		with: []labStep{
			{tell: "Another one:", do: "start victim wait $TOKEN"},
			{do: "gocker run --rm --network none --rootfs $ROOT ps", want: `^ *1 .*ps`, not: "$TOKEN", seen: "The container sees itself, as process 1, and nothing else."},
			{do: "gocker run --rm --network none --rootfs $ROOT kill $victim", code: 1, want: "no such process", seen: "It has no name for the victim."},
			{do: "lives victim", want: "lives"},
		},
	},
	{
		name: "proc", title: "a container reads the host's /proc", wall: "proc",
		idea: "A PID namespace hides processes, not the files that tell of them: /proc shows the processes of the namespace in which it was mounted. So a container needs a /proc of its own.",
		without: []labStep{
			{tell: "On the host there is a process with a secret on its command line:", do: "start victim wait password=$TOKEN"},
			{do: "gocker run --rm --network none --rootfs $ROOT --without proc ps", want: "password=$TOKEN", seen: "The container reads it in the host's /proc."},
			{do: "gocker run --rm --network none --rootfs $ROOT --without proc kill $victim", code: 1, want: "no such process", seen: "But the PID namespace holds: it can't reach the process."},
		},
		with: []labStep{
			{do: "lives victim"},
			{do: "gocker run --rm --network none --rootfs $ROOT ps", want: `^ *1 .*ps`, not: "$TOKEN", seen: "The container's own /proc knows of no other process."},
		},
	},
	{
		name: "chroot", title: "a container leaves its chroot and reads the host's files", wall: "pivot_root",
		idea: "chroot changes where a process begins to look up paths. The host's root stays mounted above, and ends the way up only where it is the process's root. pivot_root takes the host's root out of the container's mount namespace.",
		without: []labStep{
			{tell: "On the host there is a file:", do: "write $LAB/secret $TOKEN"},
			{do: "gocker run --rm --network none --rootfs $ROOT --without pivot_root cat $LAB/secret", code: 1, want: "no such file", seen: "No path leads to it: this far chroot does what it says."},
			{tell: "The classic way out: chroot into a directory, the working directory still above it; climb; chroot there.", do: "gocker run --rm --network none --rootfs $ROOT --without pivot_root escape $LAB/secret", want: "^$TOKEN$", seen: "The container has read a file of the host."},
		},
		with: []labStep{
			{tell: "The same way:", do: "gocker run --rm --network none --rootfs $ROOT escape $LAB/secret", code: 1, want: "no such file", seen: "It leads up to the container's root, and there is nothing above."},
		},
	},
	{
		name: "mounts", title: "a container's mounts are the host's", wall: "mount", standIn: unix.CLONE_NEWNS,
		idea: "What is mounted where is kept in a mount namespace. Here a mount namespace that is made for this experiment stands for the host's. Neither container may mount anything itself: it is gocker that mounts a root, /proc, /dev and /sys for each.",
		without: []labStep{
			{do: "start box gocker run --rm --name $TOKEN --network none --rootfs $ROOT --without mount wait"},
			{do: "gocker inspect -f {{.Id}} $TOKEN", keep: "ID"},
			{tell: "What has the host mounted for this container?", do: "mounts $ID", want: "/rootfs/proc proc$", seen: "All of it is the host's too: every process there sees it and keeps it busy."},
			{do: "stop box"},
			{tell: "And when it has ended?", do: "mounts $ID", want: "^none$", seen: "Gocker has taken it away again. It had to: nothing else would have."},
		},
		with: []labStep{
			{do: "start box gocker run --rm --name $TOKEN --network none --rootfs $ROOT wait"},
			{do: "gocker inspect -f {{.Id}} $TOKEN", keep: "ID"},
			{do: "mounts $ID", want: "^none$", seen: "The host sees nothing of it, and the kernel takes it away with the namespace."},
			{do: "stop box"},
		},
	},
	{
		name: "layers", title: "a container changes a file of its image", wall: "overlay",
		idea: "The directory $ROOT is the image of these containers, and has a file /note. An overlay puts an empty directory on top of it: a file that is written is copied up there first.",
		without: []labStep{
			{do: "cat $ROOT/note", want: "^original$"},
			{do: "gocker run --rm --network none --rootfs $ROOT --without overlay write /note changed"},
			{do: "cat $ROOT/note", want: "^changed$", seen: "The image has changed, for every container that is made of it."},
		},
		with: []labStep{
			{do: "write $ROOT/note original"},
			{do: "gocker run --name $TOKEN --network none --rootfs $ROOT write /note changed"},
			{do: "cat $ROOT/note", want: "^original$", seen: "The image is as it was."},
			{do: "gocker inspect -f {{.Id}} $TOKEN", keep: "ID"},
			{tell: "Where did it go?", do: "cat $CONTAINERS/$ID/upper/note", want: "^changed$", seen: "Into the container's own directory."},
			{do: "gocker rm $TOKEN"},
		},
	},
	{
		name: "memory", title: "a container takes more memory than it was given", wall: "limits",
		idea: "The program takes 192 MB and writes to each page. The container is given 64 MB, by a number in a file of its control group.",
		without: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT -m 64m --without limits hog 192", want: "192 MB", seen: "It has got all of it."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT -m 64m hog 192", code: 137, not: "192 MB", seen: "137 is 128 and 9, SIGKILL: the kernel has killed it, and nothing else on the machine."},
		},
	},
	{
		name: "forks", title: "a container makes more processes than it may", wall: "limits",
		idea: "The program makes 100 processes that do nothing, and ends them. The container may have 32, threads counted.",
		without: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT --pids-limit 32 --without limits burst 100", want: "^100 of 100", seen: "A program that didn't stop at 100 would fill the machine's table of processes."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT --pids-limit 32 burst 100", code: 1, want: "[^0-9][12]?[0-9] of 100, then: .*unavailable", seen: "The kernel refuses the next one. A fork bomb stops here."},
		},
	},
	{
		name: "devices", title: "a container opens a device of the host", wall: "devices",
		idea: "A device is a pair of numbers, and whoever may make a node with them could open any disk. A list in the container's control group says which may be opened. The program opens the kernel's log (c 1 11) for writing, and writes nothing.",
		without: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT --without devices open c 1 11", want: "opened", seen: "It has opened a device of the host. It might have been the disk."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT open c 1 11", code: 1, want: "open .*not permitted", seen: "It may make the node, but not open it."},
		},
	},
	{
		name: "cgroups", title: "a container sees its place among the host's groups", wall: "cgroup",
		idea: "Limits are set on a group of processes, and groups form a tree. A cgroup namespace has the container's group as its root.",
		without: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT --without cgroup cat /proc/self/cgroup", want: ":/gocker/[0-9a-f]{64}$", seen: "It reads who manages it and what it is called there."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT cat /proc/self/cgroup", want: ":/$", not: "gocker", seen: "It is at the top, as far as it can see."},
		},
	},
	{
		name: "ports", title: "a container's port is taken, and the host's service answers", wall: "net",
		idea: "Interfaces, addresses and ports are kept in a network namespace. On the host, on the loopback interface, listens a service of this experiment.",
		without: []labStep{
			{do: "start service serve hello-$TOKEN"},
			{do: "gocker run --rm --rootfs $ROOT --without net listen $service_says", code: 1, want: "address already in use", seen: "Two can't have one port: the container has met the host's service."},
			{do: "gocker run --rm --rootfs $ROOT --without net connect $service_says", want: "^hello-$TOKEN$", seen: "And it talks to what was meant for the host alone."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT listen $service_says", want: "listening on 127.0.0.1:$service_says", seen: "The container has all ports to itself."},
			{do: "gocker run --rm --network none --rootfs $ROOT connect $service_says", code: 1, want: "refused", seen: "Its loopback interface is another one."},
		},
	},
	{
		name: "shared-memory", title: "a container reads the host's shared memory", wall: "ipc",
		idea: "System V shared memory has no file and no path, only a number. Numbers are counted in an IPC namespace. A process of this experiment keeps a word in a segment that goes with it.",
		without: []labStep{
			{do: "start keeper shm-keep $TOKEN"},
			{do: "gocker run --rm --network none --rootfs $ROOT --without ipc shm-read $keeper_says", want: "^$TOKEN$", seen: "The container has read the memory of a process of the host."},
		},
		with: []labStep{
			{do: "lives keeper"},
			{do: "gocker run --rm --network none --rootfs $ROOT shm-read $keeper_says", code: 1, want: "invalid argument", seen: "There is no segment of that number."},
		},
	},
	{
		name: "capabilities", title: "root in a container mounts a filesystem", wall: "caps",
		idea: "Root's power comes in some forty pieces. Both programs run as root in a mount namespace of their own; mounting takes CAP_SYS_ADMIN, which a container is not left with.",
		without: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT --without caps mount /tmp", want: "mounted", seen: "With all its capabilities root may mount, and much else that reaches the host's kernel."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT mount /tmp", code: 1, want: "not permitted", seen: "It is root, and may not."},
		},
	},
	{
		name: "masks", title: "a container reaches the kernel's settings", wall: "masks",
		idea: "/proc and /sys are not only the container's: most of what is there is the host's kernel. What changes it is made read-only, what tells too much is hidden. The program opens a setting for writing, and writes nothing.",
		without: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT --without masks open /proc/sys/kernel/printk", want: "opened", seen: "It could have changed what the host's kernel logs."},
		},
		with: []labStep{
			{do: "gocker run --rm --network none --rootfs $ROOT open /proc/sys/kernel/printk", code: 1, want: "read-only file system", seen: "A read-only mount lies over it."},
		},
	},
}
