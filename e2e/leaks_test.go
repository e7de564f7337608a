package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocker/network"

	"golang.org/x/sys/unix"
)

// leaks lists what a script has left: processes and mounts that name its
// directory, files and cgroups of its containers. What ends by itself gets a
// moment.
func leaks(home string, containers []string) []string {
	var found []string
	_ = poll(5*time.Second, func() error {
		found = slices.Concat(mounts(home), files(home), cgroups(containers), bridge(home))
		for _, p := range processes(home) {
			found = append(found, p.String())
		}
		if len(found) > 0 {
			return errors.New("not yet")
		}
		return nil
	})
	return found
}

// process is one that a script has left, and how we know that it is the script's.
type process struct {
	pid int
	by  string // the file of /proc/pid that names the script's directory
}

func (p process) String() string {
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	words := bytes.TrimSpace(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
	return fmt.Sprintf("process %d (%s), by its %s", p.pid, words, p.by)
}

// processes finds whoever has the directory on its command line, in its
// environment or in its mount table, so the processes of containers too.
func processes(home string) []process {
	var found []process
	for _, pid := range pids() {
		if pid == os.Getpid() || pid == os.Getppid() {
			continue
		}
		for _, file := range []string{"cmdline", "environ", "mountinfo"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			if err != nil {
				break // it has ended
			}
			if file == "mountinfo" && sameNamespace(pid, "mnt") {
				continue
			}
			if bytes.Contains(text, []byte(home+"/")) {
				found = append(found, process{pid, file})
				break
			}
		}
	}
	return found
}

func pids() []int {
	var found []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

func sameNamespace(pid int, kind string) bool {
	ours, _ := os.Readlink("/proc/self/ns/" + kind)
	theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	return ours == theirs
}

// mounts finds mounts on the directory or from it. Namespaces that are kept
// alive by a bind mount are among them.
func mounts(home string) []string {
	var found []string
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, home+"/") {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	return found
}

// files finds what belongs to containers and to unfinished work; images, layers,
// volumes and empty directories may stay. So may lock files.
func files(home string) []string {
	var found []string
	for _, dir := range []string{"root/containers", "root/tmp", "run"} {
		top := filepath.Join(home, dir)
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			leftDir := d.IsDir() && filepath.Dir(path) == top && dir != "run"
			if leftDir || !d.IsDir() && !strings.Contains(d.Name(), "lock") {
				found = append(found, "file "+path)
			}
			if leftDir {
				return fs.SkipDir
			}
			return nil
		})
		if err != nil {
			found = append(found, err.Error())
		}
	}
	return found
}

// bridge finds the bridge of a script's store, which the next gocker that starts
// nothing takes away.
func bridge(home string) []string {
	name := network.BridgeName(home + "/run")
	if !network.HasBridge(name) {
		return nil
	}
	ps := exec.Command(shared.gocker, "ps", "--quiet")
	ps.Env = append(os.Environ(), "GOCKER_ROOT="+home+"/root", "GOCKER_RUN_ROOT="+home+"/run")
	if out, err := ps.CombinedOutput(); err != nil {
		return []string{fmt.Sprintf("gocker ps: %v\n%s", err, out)}
	}
	if !network.HasBridge(name) {
		return nil
	}
	return []string{"bridge " + name}
}

// clean ends what a failed script has left and removes its directory.
func clean(gocker, home string) error {
	cli := func(args ...string) *exec.Cmd {
		cmd := exec.Command(gocker, args...)
		cmd.Env = append(os.Environ(), "GOCKER_ROOT="+home+"/root", "GOCKER_RUN_ROOT="+home+"/run")
		return cmd
	}
	containers, _ := os.ReadDir(home + "/root/containers")
	for _, c := range containers {
		_ = cli("rm", "-f", c.Name()).Run()
	}
	for _, p := range processes(home) {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if at := strings.Fields(line)[4]; strings.HasPrefix(at, home+"/") {
			_ = unix.Unmount(at, unix.MNT_DETACH)
		}
	}
	return os.RemoveAll(home)
}

// births tells which containers a script has made, by inotify(7) on the
// directory in which they are. Their ids name their cgroups, which would
// otherwise be mistaken for those of another gocker on this machine.
type births struct{ fd int }

// watchBirths makes the directory of containers under home and watches it.
func watchBirths(home string) (*births, error) {
	dir := filepath.Join(home, "root/containers")
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	return &births{fd}, nil
}

// ids reads the names of all containers so far and ends the watch.
func (b *births) ids() []string {
	defer unix.Close(b.fd)
	var found []string
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(b.fd, buf)
		if err != nil || n <= 0 {
			return found // EAGAIN: that was all
		}
		for at := 0; at < n; {
			length := int(binary.NativeEndian.Uint32(buf[at+12:])) // of the name, see inotify(7)
			name := buf[at+unix.SizeofInotifyEvent:][:length]
			found = append(found, string(bytes.TrimRight(name, "\x00")))
			at += unix.SizeofInotifyEvent + length
		}
	}
}

// cgroups finds the groups of containers, in any hierarchy.
func cgroups(ids []string) []string {
	var found []string
	for _, id := range ids {
		for _, top := range []string{"/sys/fs/cgroup/gocker/", "/sys/fs/cgroup/*/gocker/"} {
			dirs, _ := filepath.Glob(top + id)
			for _, dir := range dirs {
				found = append(found, "cgroup "+dir)
			}
		}
	}
	return found
}
