package container

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Size is that of a terminal, in characters.
type Size struct{ Rows, Columns uint16 }

// resize tells the command's terminal its size, and the command by SIGWINCH.
// Without a terminal it does nothing.
func (p *pumps) resize(size Size) error {
	if p.terminal == nil {
		return nil
	}
	conn, err := p.terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Columns})
	})
	return errors.Join(err, failed)
}

// makeTerminal makes a new container's devpts and a terminal in it. The mount is
// nowhere until the inside plan moves it to its place: so the terminal is the
// container's own, but was never reached through a path of the container.
func makeTerminal(spec *Spec) (*stdio, error) {
	for _, m := range spec.Mounts {
		if m.Type == "devpts" {
			pts, err := detachedMount(m)
			if err != nil {
				return nil, err
			}
			s, err := newTerminal(int(pts.Fd()), int(spec.Process.User.UID))
			if err != nil {
				return nil, errors.Join(err, pts.Close())
			}
			s.pts = pts
			return s, nil
		}
	}
	return nil, errors.New("a terminal needs a devpts among the mounts")
}

// detachedMount mounts a filesystem nowhere. See fsopen(2), Linux 5.2.
func detachedMount(m specs.Mount) (*os.File, error) {
	fs, err := unix.Fsopen(m.Type, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen %s (requires Linux 5.2 or later): %w", m.Type, err)
	}
	defer unix.Close(fs)
	flags, data := step.MountFlags(m.Options)
	for option := range strings.SplitSeq(data, ",") {
		key, value, valued := strings.Cut(option, "=")
		switch {
		case key == "":
		case valued:
			err = unix.FsconfigSetString(fs, key, value)
		default:
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return nil, fmt.Errorf("fsconfig %s %s: %w", m.Type, option, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("fsconfig %s: %w", m.Type, err)
	}
	// The first flags of mount(2) and those of fsmount(2) are the same bits.
	const same = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(flags&same))
	if err != nil {
		return nil, fmt.Errorf("fsmount %s: %w", m.Type, err)
	}
	return os.NewFile(uintptr(fd), m.Type), nil
}

// newTerminal opens a terminal in a directory that should be the root of a
// devpts; it is an error when it is not. See pts(4), TIOCGPTPEER(2const).
func newTerminal(pts, uid int) (*stdio, error) {
	fd, err := unix.Openat(pts, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	fail := func(err error) (*stdio, error) {
		return nil, errors.Join(fmt.Errorf("open a terminal: %w", err), master.Close())
	}
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(fd, &st), unix.Fstatfs(fd, &fs)); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) || fs.Type != unix.DEVPTS_SUPER_MAGIC {
		return fail(errors.New("/dev/pts/ptmx is not the kernel's"))
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return fail(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return fail(errno)
	}
	slave := os.NewFile(peer, "pts")
	if uid != 0 {
		if err := unix.Fchown(int(peer), uid, -1); err != nil {
			return fail(errors.Join(err, slave.Close()))
		}
	}
	return &stdio{ours: [3]*os.File{master, master, nil}, theirs: [3]*os.File{slave, slave, slave}}, nil
}

// noStreams is what a detached command gets.
func noStreams() *stdio { return new(stdio) }

// fit makes the command's terminal as large as the client's, before the command
// can ask.
func (s Streams) fit(terminal *os.File) error {
	if s.Terminal == nil || terminal == nil {
		return nil
	}
	size, err := unix.IoctlGetWinsize(int(s.Terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return fmt.Errorf("read the terminal's size: %w", err)
	}
	return (&pumps{terminal: terminal}).resize(Size{Rows: size.Row, Columns: size.Col})
}

// restore is what the keeper does for a client's terminal.
func (s Streams) restore() (*step.Terminal, error) {
	if s.Terminal == nil {
		return nil, nil
	}
	mode, err := unix.IoctlGetTermios(int(s.Terminal.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read the terminal's mode: %w", err)
	}
	return &step.Terminal{File: s.Terminal, Mode: *mode}, nil
}
