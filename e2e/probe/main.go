// Command probe prints what a container's process sees, as sections of text, and
// waits for SIGTERM, to end with 42. It is the only file of the image in which the
// script of `gocker run --explain` is compared with the run itself.
//
// What its argument names is looked at too: the entries of these directories.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// exitCode is one that nothing else has.
const exitCode = 42

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	section("arguments", strings.Join(os.Args, "\n"))
	section("environ", strings.Join(os.Environ(), "\n"))
	section("status", status())
	// The Go runtime raises its own limit of open files: what the process was
	// given a shell has to tell.
	section("limits", without("Max open files", read("/proc/self/limits")))
	section("mountinfo", read("/proc/self/mountinfo"))
	section("namespaces", links("/proc/self/ns"))
	section("descriptors", descriptors())
	section("working directory", link("/proc/self/cwd"))
	section("session", session())
	section("hostname", read("/proc/sys/kernel/hostname"))
	section("cgroup", read("/proc/self/cgroup"))
	section("processes", processes())
	section("devices that may be opened", devices())
	for _, path := range []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/proc/net/route", "/proc/net/if_inet6", "/proc/net/ipv6_route", "/proc/sys/net/ipv4/ping_group_range", "/proc/sys/net/ipv4/ip_unprivileged_port_start"} {
		section(path, read(path))
	}
	for _, dir := range append([]string{"/", "/dev", "/sys/fs/cgroup"}, os.Args[1:]...) {
		section("entries of "+dir, entries(dir))
	}
	input, _ := io.ReadAll(os.Stdin) // a descriptor that can't be read has been shown
	section("standard input", string(input))
	fmt.Println("== end")
	<-term
	os.Exit(exitCode)
}

func section(name, text string) {
	fmt.Printf("== %s\n%s\n", name, strings.TrimSuffix(text, "\n"))
}

func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func link(path string) string {
	target, err := os.Readlink(path)
	if err != nil {
		return err.Error()
	}
	return target
}

func without(prefix, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, prefix) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// status is what of /proc/self/status is inherited or was set. (What is blocked is
// left to a shell: the Go runtime blocks signals while it starts threads.)
func status() string {
	var b strings.Builder
	for line := range strings.Lines(read("/proc/self/status")) {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Name", "Umask", "Uid", "Gid", "Groups", "TracerPid", "SigIgn", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Speculation_Store_Bypass", "Cpus_allowed_list", "Mems_allowed_list":
		default:
			if !strings.HasPrefix(name, "Cap") {
				continue
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func links(dir string) string {
	var b strings.Builder
	names, _ := filepath.Glob(dir + "/*")
	for _, n := range names {
		fmt.Fprintln(&b, filepath.Base(n), link(n))
	}
	return b.String()
}

// descriptors are those that were inherited, by what they are.
func descriptors() string {
	var b strings.Builder
	for fd := range 512 {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || strings.HasPrefix(target, "anon_inode:") { // the runtime's own
			continue
		}
		kind, _, _ := strings.Cut(target, ":")
		fmt.Fprintln(&b, fd, kind)
	}
	return b.String()
}

// session tells whether the process leads its session and has a terminal.
func session() string {
	stat := read("/proc/self/stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 5 {
		return stat
	}
	pid := link("/proc/self") // as who looks at this /proc has it
	return fmt.Sprintf("leader %t, group leader %t, terminal %s, has a parent %t", fields[3] == pid, fields[2] == pid, fields[4], fields[1] != "0")
}

// processes are all that are to be seen, unless they are the host's.
func processes() string {
	if link("/proc/self") != "1" {
		return "not the container's own"
	}
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintln(&b, filepath.Base(filepath.Dir(n)), read(n))
	}
	return b.String()
}

// devices tries nodes: memory, which is forbidden, and null, which is not.
func devices() string {
	var b strings.Builder
	for _, d := range []struct{ name, path string }{{"mem", "/dev/.probe-mem"}, {"null", "/dev/.probe-null"}} {
		number := map[string]int{"mem": 1<<8 | 1, "null": 1<<8 | 3}[d.name]
		err := syscall.Mknod(d.path, syscall.S_IFCHR|0o600, number)
		fmt.Fprintln(&b, "make", d.name, err)
		if err != nil {
			continue
		}
		f, err := os.OpenFile(d.path, os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		fmt.Fprintln(&b, "open", d.name, err)
		os.Remove(d.path)
	}
	return b.String()
}

// entries lists a directory and its own attributes.
func entries(dir string) string {
	names, err := filepath.Glob(dir + "/*")
	if err != nil {
		return err.Error()
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range append([]string{dir}, names...) {
		var st syscall.Stat_t
		if err := syscall.Lstat(n, &st); err != nil {
			fmt.Fprintln(&b, n, err)
			continue
		}
		fmt.Fprintf(&b, "%s %o %d:%d %#x", n, st.Mode, st.Uid, st.Gid, st.Rdev)
		if st.Mode&syscall.S_IFMT == syscall.S_IFLNK {
			b.WriteString(" " + link(n))
		}
		b.WriteString("\n")
	}
	return b.String()
}
