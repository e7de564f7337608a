package step

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Read returns the steps of a line that a step has printed, split into words: it
// is the inverse of Shell for the steps of an inside plan, and knows no more of
// mount(8), setpriv(1) and so on than these print. It is for `gocker step`,
// which does the lines of a printed script where the host's tools can't be
// reached any more.
//
// A line is any number of prefixes, each of which changes the process, and then
// one step, or a command. A command after "env -i" has the environment and the
// PATH of the line; another has env, which holds "NAME=VALUE".
func Read(words, env []string) (Plan, error) {
	r := &reader{words: words}
	for len(r.words) > 0 {
		word := r.words[0]
		parse, isPrefix := prefixes[word]
		if !isPrefix {
			parse = requests[word]
		}
		if parse == nil || r.forks() {
			r.add(Exec{Files: LookPath(word, pathOf(env)), Args: r.words, Env: env})
			return Plan{{Steps: r.steps}}, nil
		}
		r.words = r.words[1:]
		parse(r)
		if r.err != nil {
			return nil, fmt.Errorf("step %s: %w", word, r.err)
		}
		if !isPrefix && len(r.words) > 0 {
			return nil, fmt.Errorf("step %s: unexpected %q", word, r.words[0])
		}
	}
	return Plan{{Steps: r.steps}}, nil
}

// reader is what of a line has not been read, and the steps so far. After an
// error its methods return zero values.
type reader struct {
	words []string
	steps []Step
	err   error
}

// forks reports whether the rest of the line is for nsenter(1) itself: a PID
// namespace is entered by a child.
func (r *reader) forks() bool {
	return len(r.words) > 3 && r.words[0] == "nsenter" && r.words[3] == "--pid"
}

func (r *reader) add(s Step) { r.steps = append(r.steps, s) }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// word takes the next word.
func (r *reader) word() string {
	if len(r.words) == 0 {
		r.fail("a word is missing")
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

// accept takes the next word if it is this one.
func (r *reader) accept(word string) bool {
	if len(r.words) == 0 || r.words[0] != word {
		return false
	}
	r.words = r.words[1:]
	return true
}

// value takes the next word if it begins with option, and returns its rest.
func (r *reader) value(option string) (string, bool) {
	if len(r.words) == 0 {
		return "", false
	}
	rest, ok := strings.CutPrefix(r.words[0], option)
	if ok {
		r.words = r.words[1:]
	}
	return rest, ok
}

// expect takes the next word, which has to be this one.
func (r *reader) expect(word string) {
	if !r.accept(word) {
		r.fail("want %q", word)
	}
}

func (r *reader) number(word string, base, bits int) uint64 {
	n, err := strconv.ParseUint(word, base, bits)
	if err != nil {
		r.fail("%q is not a number", word)
	}
	return n
}

func (r *reader) fd() int      { return int(r.number(r.word(), 10, 16)) }
func (r *reader) mode() uint32 { return uint32(r.number(r.word(), 8, 32)) }

// names takes two words after an optional "--".
func (r *reader) names() (string, string) {
	r.accept("--")
	return r.word(), r.word()
}

// prefixes are what changes the process that does the rest of the line.
var prefixes = map[string]func(*reader){
	"chroot":      func(r *reader) { r.add(Chroot{Path: r.word()}) },
	"umask":       func(r *reader) { r.add(Umask{Mask: r.mode()}) },
	"close_range": func(r *reader) { r.add(CloseFrom{First: r.fd()}) },
	"write_fd":    func(r *reader) { r.add(writeFD{FD: r.fd(), Data: r.word()}) },
	"setsid": func(r *reader) {
		terminal := r.accept("--ctty")
		r.accept("--wait")
		r.add(Setsid{Terminal: terminal})
	},
	"open_tree": func(r *reader) {
		recursive := r.accept("--recursive")
		readOnly := r.accept("--read-only")
		r.add(OpenTree{FD: r.fd(), Source: r.word(), Recursive: recursive, ReadOnly: readOnly})
	},
	"nsenter": readEnter,
	"prlimit": readRlimit,
	"setpriv": readSetpriv,
	"env":     readEnv,
}

// requests are what stands at the end of a line.
var requests = map[string]func(*reader){
	"pivot_root": func(r *reader) { r.add(PivotRoot{New: r.word(), Old: r.word()}) },
	"move_mount": func(r *reader) { r.add(MoveMount{FD: r.fd(), Target: r.word()}) },
	"touch":      func(r *reader) { r.add(Touch{Path: r.word()}) },
	"write":      func(r *reader) { r.add(Write{Path: r.word(), Data: r.word()}) },
	"mount":      readMount,
	"mkdir":      readMkdir,
	"umount": func(r *reader) {
		flags := 0
		for _, o := range []struct {
			word string
			flag int
		}{{"-f", unix.MNT_FORCE}, {"-l", unix.MNT_DETACH}} {
			if r.accept(o.word) {
				flags |= o.flag
			}
		}
		r.add(Unmount{Target: r.word(), Flags: flags})
	},
	"rm": func(r *reader) {
		r.expect("-f")
		r.add(Unlink{Path: r.word()})
	},
	"ln": func(r *reader) {
		r.expect("-sT")
		target, path := r.names()
		r.add(Symlink{Target: target, Path: path})
	},
	"chown": func(r *reader) {
		r.expect("-h")
		uid, gid, _ := strings.Cut(r.word(), ":")
		r.add(Chown{UID: uint32(r.number(uid, 10, 32)), GID: uint32(r.number(gid, 10, 32)), Path: r.word()})
	},
	"mknod": func(r *reader) {
		r.expect("-m")
		n := Mknod{Mode: r.mode(), Path: r.word()}
		switch kind := r.word(); kind {
		case "b", "c":
			n.Type = kind[0]
		default:
			r.fail("%q is neither b nor c", kind)
		}
		n.Major, n.Minor = uint32(r.number(r.word(), 10, 32)), uint32(r.number(r.word(), 10, 32))
		r.add(n)
	},
	"ip": func(r *reader) {
		for _, word := range []string{"link", "set", "dev"} {
			r.expect(word)
		}
		name := r.word()
		r.expect("up")
		r.add(LinkUp{Name: name})
	},
}

func readMkdir(r *reader) {
	parents := r.accept("-p")
	switch {
	case r.accept("-m"):
		r.add(Mkdir{Mode: r.mode(), Path: r.word(), Parents: parents})
	case parents:
		r.add(MkdirAll{Path: r.word()})
	default:
		r.fail("want -m or -p")
	}
}

func readMount(r *reader) {
	m := Mount{}
	if word, ok := r.value("--make-"); ok {
		i := slices.IndexFunc(propagation, func(p struct {
			flag uintptr
			word string
		},
		) bool {
			return strings.TrimPrefix(word, "r") == p.word
		})
		if i < 0 {
			r.fail("unknown propagation %q", word)
			return
		}
		m.Flags = propagation[i].flag
		if strings.HasPrefix(word, "r") {
			m.Flags |= unix.MS_REC
		}
		r.accept("--")
		m.Target = r.word()
		r.add(m)
		return
	}
	switch {
	case r.accept("--move"):
		m.Flags = unix.MS_MOVE
	case r.accept("--bind"):
		m.Flags = unix.MS_BIND
	case r.accept("--rbind"):
		m.Flags = unix.MS_BIND | unix.MS_REC
	case r.accept("-t"):
		m.Type = r.word()
	}
	if r.accept("-o") {
		m.Flags, m.Data = MountFlags(strings.Split(r.word(), ","))
	}
	if m.Type == "" && m.Flags&(unix.MS_MOVE|unix.MS_BIND|unix.MS_REMOUNT) == 0 {
		r.fail("want --move, --bind, -o remount or a type")
	}
	m.Source, m.Target = r.names()
	if m.Source == "none" {
		m.Source = ""
	}
	r.add(m)
}

// readEnter opens the namespaces of a process and enters one after the other. In
// the mount namespace, the last of them, the others could not be found.
func readEnter(r *reader) {
	pid := 0
	if r.accept("--target") {
		pid = int(r.number(r.word(), 10, 32))
	}
	var steps []Step
	mount := Enter{}
	for _, ns := range namespaces {
		if ns.flag == unix.CLONE_NEWPID || !r.accept("--"+ns.word) {
			continue
		}
		file := ns.word
		if file == "mount" {
			file = "mnt"
		}
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			r.fail("open the %s namespace of process %d: %v", ns.word, pid, err)
			return
		}
		enter := Enter{FD: fd, PID: pid, Flags: ns.flag}
		if ns.flag == unix.CLONE_NEWNS {
			mount = enter
		} else {
			steps = append(steps, enter)
		}
	}
	if mount.Flags != 0 {
		// Where the other threads have their root and working directory, a thread
		// alone can't go: see setns(2).
		steps = append(steps, Unshare{Flags: unix.CLONE_FS}, mount)
	}
	for _, s := range steps {
		r.add(s)
	}
}

func readRlimit(r *reader) {
	option, soft, hard := "", "", ""
	if word, ok := r.value("--"); ok {
		option, soft, _ = strings.Cut(word, "=")
		soft, hard, _ = strings.Cut(soft, ":")
	}
	if _, ok := RlimitNumber(option); !ok {
		r.fail("unknown limit %q", option)
		return
	}
	limit := func(word string) uint64 {
		if word == "unlimited" {
			return ^uint64(0)
		}
		return r.number(word, 10, 64)
	}
	r.add(Rlimit{Resource: option, Soft: limit(soft), Hard: limit(hard)})
}

// readSetpriv reads the options of the steps that give up power. The permitted
// set, for which setpriv has no option, is what exec makes of the others.
func readSetpriv(r *reader) {
	for r.err == nil {
		switch {
		case r.accept("--bounding-set"):
			r.add(DropBounding{Drop: r.dropped(r.word())})
		case r.accept("--reuid"):
			u := User{UID: uint32(r.number(r.word(), 10, 32))}
			r.expect("--regid")
			u.GID = uint32(r.number(r.word(), 10, 32))
			if !r.accept("--clear-groups") {
				r.expect("--groups")
				for word := range strings.SplitSeq(r.word(), ",") {
					u.Groups = append(u.Groups, uint32(r.number(word, 10, 32)))
				}
			}
			r.add(u)
		case r.accept("--inh-caps"):
			r.expect("-all")
			r.expect("--ambient-caps")
			r.expect("-all")
			r.add(Capset{Permitted: r.permitted()})
		case r.accept("--no-new-privs"):
			r.add(NoNewPrivs{})
		default:
			return
		}
	}
}

// dropped reads "-chown,-cap_41".
func (r *reader) dropped(list string) CapSet {
	var set CapSet
	for word := range strings.SplitSeq(list, ",") {
		name, ok := strings.CutPrefix(word, "-")
		c, err := ParseCap(name)
		if number, unnamed := strings.CutPrefix(name, "cap_"); err != nil && unnamed {
			c, err = 1<<r.number(number, 10, 6), nil
		}
		if !ok || err != nil {
			r.fail("%q is not a capability to drop", word)
		}
		set |= c
	}
	return set
}

// permitted is what a program that the line executes will be permitted: for
// root the bounding set, for others nothing. See capabilities(7), "Capabilities
// and execution of programs by root".
func (r *reader) permitted() CapSet {
	set, err := BoundingSet()
	if err != nil {
		r.fail("%w", err)
	}
	for _, s := range r.steps {
		switch s := s.(type) {
		case DropBounding:
			set &^= s.Drop
		case User:
			if s.UID != 0 {
				return 0
			}
		}
	}
	return set
}

func readEnv(r *reader) {
	if dir, ok := r.value("--chdir="); ok {
		r.add(Chdir{Path: dir})
		return
	}
	r.expect("-i")
	r.accept("--")
	var env []string
	for len(r.words) > 0 && strings.Contains(r.words[0], "=") {
		env = append(env, r.word())
	}
	if r.accept("nice") {
		for _, word := range []string{"-n", "0", "--"} {
			r.expect(word)
		}
	}
	args := r.words
	r.words = nil
	if len(args) == 0 {
		r.fail("a command is missing")
		return
	}
	r.add(Exec{Files: LookPath(args[0], pathOf(env)), Args: args, Env: env})
}

// pathOf returns the last PATH of an environment.
func pathOf(env []string) string {
	path := ""
	for _, v := range env {
		if rest, ok := strings.CutPrefix(v, "PATH="); ok {
			path = rest
		}
	}
	return path
}
