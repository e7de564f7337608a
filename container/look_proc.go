package container

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// proc is the directory of one process in /proc. While it is open, nothing of
// another process that gets the same number is read. See proc(5).
type proc struct {
	pid int
	dir *os.File
}

// openProc opens the directory of the process that has this number and started
// then, in clock ticks since the boot; a start of zero is any. The error is
// errEnded when it is no more.
func openProc(pid int, start uint64) (*proc, error) {
	dir, err := os.OpenFile(filepath.Join("/proc", strconv.Itoa(pid)), unix.O_DIRECTORY|os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errEnded
	}
	if err != nil {
		return nil, err
	}
	p := &proc{pid, dir}
	stat, err := p.read("stat")
	if err != nil {
		p.close()
		return nil, errEnded
	}
	if now, err := parseStartTime(stat); err != nil || start != 0 && now != start {
		p.close()
		return nil, errEnded
	}
	return p, nil
}

func (p *proc) close() { p.dir.Close() }

func (p *proc) open(name string) (*os.File, error) {
	fd, err := unix.Openat(int(p.dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(p.dir.Name(), name), Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(p.dir.Name(), name)), nil
}

func (p *proc) read(name string) ([]byte, error) {
	f, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// alive reports whether the process has all that can be read of it: its end
// takes away its memory, and with it the program, first, and its root, mounts
// and namespaces after that, before it shows as a zombie.
func (p *proc) alive() bool {
	_, err := unix.Readlinkat(int(p.dir.Fd()), "exe", make([]byte, 1))
	return err == nil
}

// namespaceTypes are the kernel's, in the order in which they are shown.
var namespaceTypes = []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}

// namespaces reads which namespaces the process is in, and whether this process
// is in them too. A type that the kernel doesn't have is left out.
func (p *proc) namespaces() ([]NamespaceView, error) {
	var all []NamespaceView
	for _, t := range namespaceTypes {
		host, err := os.Readlink("/proc/self/ns/" + t)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		buf := make([]byte, 64)
		n, err := unix.Readlinkat(int(p.dir.Fd()), "ns/"+t, buf)
		if err != nil {
			return nil, fmt.Errorf("read namespace %s of process %d: %w", t, p.pid, err)
		}
		v := NamespaceView{Type: t}
		if v.Inode, err = parseNamespace(string(buf[:n])); err != nil {
			return nil, err
		}
		if v.Host, err = parseNamespace(host); err != nil {
			return nil, err
		}
		v.Shared = v.Inode == v.Host
		all = append(all, v)
	}
	return all, nil
}

// parseNamespace returns the number in "net:[4026531840]".
func parseNamespace(link string) (uint64, error) {
	_, rest, ok := strings.Cut(link, ":[")
	digits, end := strings.CutSuffix(rest, "]")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || !end || err != nil {
		return 0, fmt.Errorf("namespace %q: not of the form type:[number]", link)
	}
	return n, nil
}

// status is /proc/<pid>/status as far as it is shown. See proc_pid_status(5).
type status struct {
	name, state    string // the state is one letter
	parent         int
	threads        int
	uid, gid       uint32 // effective
	groups         []uint32
	pids           []int // in each pid namespace from the reader's inwards
	caps           map[string]step.CapSet
	noNewPrivs     bool
	seccomp        int
	seccompFilters int
}

func (p *proc) status() (*status, error) {
	f, err := p.open("status")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseStatus(f)
}

// parseStatus reads /proc/<pid>/status. Lines that a kernel lacks leave zeros.
func parseStatus(r io.Reader) (*status, error) {
	s := &status{caps: map[string]step.CapSet{}}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, text, _ := strings.Cut(lines.Text(), ":")
		words := strings.Fields(text)
		if key == "Name" {
			s.name = strings.TrimPrefix(text, "\t")
			continue
		}
		if len(words) == 0 {
			continue
		}
		if err := s.set(key, words); err != nil {
			return nil, fmt.Errorf("proc status: %q: %w", lines.Text(), err)
		}
	}
	if s.state == "" {
		return nil, errors.Join(errEnded, lines.Err())
	}
	return s, lines.Err()
}

func (s *status) set(key string, words []string) (err error) {
	number := func(word string) (n int) {
		if err == nil {
			n, err = strconv.Atoi(word)
		}
		return n
	}
	switch key {
	case "State":
		s.state = words[0]
	case "PPid":
		s.parent = number(words[0])
	case "Threads":
		s.threads = number(words[0])
	case "Uid", "Gid": // real, effective, saved, of the filesystem
		if len(words) < 2 {
			return errors.New("too few fields")
		}
		if key == "Uid" {
			s.uid = uint32(number(words[1]))
		} else {
			s.gid = uint32(number(words[1]))
		}
	case "Groups":
		for _, w := range words {
			s.groups = append(s.groups, uint32(number(w)))
		}
	case "NSpid":
		for _, w := range words {
			s.pids = append(s.pids, number(w))
		}
	case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
		set, err := strconv.ParseUint(words[0], 16, 64)
		s.caps[key] = step.CapSet(set)
		return err
	case "NoNewPrivs":
		s.noNewPrivs = words[0] == "1"
	case "Seccomp":
		s.seccomp = number(words[0])
	case "Seccomp_filters":
		s.seccompFilters = number(words[0])
	}
	return err
}

// ownPid is the number that the process has where the container counts from.
func (s *status) ownPid() int {
	switch len(s.pids) {
	case 0:
		return 0
	case 1:
		return s.pids[0]
	}
	return s.pids[1]
}

func (s *status) privileges() PrivilegesView {
	return PrivilegesView{
		UID: s.uid, GID: s.gid, Groups: s.groups,
		Effective:   capWords(s.caps["CapEff"]),
		Permitted:   capWords(s.caps["CapPrm"]),
		Inheritable: capWords(s.caps["CapInh"]),
		Bounding:    capWords(s.caps["CapBnd"]),
		Ambient:     capWords(s.caps["CapAmb"]),
		NoNewPrivs:  s.noNewPrivs,
		Seccomp:     seccompWord(s.seccomp),
		Filters:     s.seccompFilters,
	}
}

// capWords spells a set as capsh(1) does.
func capWords(set step.CapSet) []string {
	words := []string{}
	for _, name := range set.Names() {
		words = append(words, strings.ToLower(name))
	}
	return words
}

// seccompWord is the mode of seccomp(2) in words.
func seccompWord(mode int) string {
	switch mode {
	case 0:
		return "disabled"
	case 1:
		return "strict"
	}
	return "filter"
}

// lookAtProcesses reads what each process is, ordered by the container's own
// numbers. One that has ended is left out.
func lookAtProcesses(pids []int) []ProcessView {
	var all []ProcessView
	for _, pid := range pids {
		if v, err := lookAtProcess(pid); err == nil {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b ProcessView) int {
		if a.OwnPid != b.OwnPid {
			return a.OwnPid - b.OwnPid
		}
		return a.Pid - b.Pid
	})
	return all
}

func lookAtProcess(pid int) (ProcessView, error) {
	p, err := openProc(pid, 0)
	if err != nil {
		return ProcessView{}, err
	}
	defer p.close()
	s, err := p.status()
	if err != nil {
		return ProcessView{}, err
	}
	v := ProcessView{Pid: pid, OwnPid: s.ownPid(), Parent: s.parent, State: s.state, Threads: s.threads, UID: s.uid}
	cmdline, err := p.read("cmdline")
	if v.Args = parseCmdline(cmdline); v.Args == nil {
		v.Args = []string{"[" + s.name + "]"} // a zombie, or one without arguments
	}
	return v, err
}

// parseCmdline parts the arguments in /proc/<pid>/cmdline, nil when there are
// none. A process may have written anything over them.
func parseCmdline(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	var args []string
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}
