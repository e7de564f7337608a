package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is a client's connection to the monitor of a container.
type Conn struct {
	id      string
	sock    *os.File
	out     frames
	started chan struct{}
	stdin   *os.File // nil unless the container was started with its input
	// unlock lets others change the container, once it runs.
	unlock sync.Once
	locked *os.File
}

// StartOptions say what the client wants of a container that it starts.
type StartOptions struct {
	// Stdin connects the command's standard input to the client's.
	Stdin bool
}

// Launch starts a monitor for the container with an id, which need not have
// been created yet: a program takes a while to start, and this one can do so
// while the client prepares the container. It waits for [Conn.Start], and ends
// when the connection is closed before that.
func (s *Store) Launch(id string, o StartOptions) (*Conn, error) {
	mine, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, mine.Close())
	}
	defer null.Close()
	conn := &Conn{id: id, sock: mine, out: frames{w: mine}, started: make(chan struct{})}
	files := []*os.File{null, null, null, theirs}
	if o.Stdin {
		w, r, err := pipe(writeEnd)
		if err != nil {
			return nil, errors.Join(err, mine.Close())
		}
		defer r.Close()
		conn.stdin = w
		files = append(files, r)
	}
	exe, err := readOnlySelf()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	defer exe.Close()
	// The monitor must inherit nothing of whoever called gocker: a pipe that it
	// held open would keep $(gocker run -d …) from returning.
	if err := unix.CloseRange(3, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("close_range (requires Linux 5.11 or later): %w", err), conn.Close())
	}
	argv := []string{"gocker", "--root", s.Root, "--run-root", s.RunRoot, "monitor", id}
	// Not os.StartProcess: before its first child it tries out pidfds with
	// another one, and nobody waits for a monitor. When this process ends, init
	// does.
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = f.Fd()
	}
	_, err = syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", exe.Fd()), argv, &syscall.ProcAttr{
		Dir: "/",
		// It mostly waits: one thread that runs Go is enough, and cheaper. Its
		// garbage is collected once it has settled.
		Env:   []string{defaultPath, "GOMAXPROCS=1", "GOGC=off"},
		Files: fds,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("execute the monitor: %w", err), conn.Close())
	}
	return conn, nil
}

// Start lets the monitor start the container, which has been created. How that
// goes the connection tells: see [Conn.Run]. When the client ends, the container
// goes on.
func (c *Conn) Start(s *Store) error {
	locked, err := lock(s.handle(c.id).dir, true)
	if err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	c.locked = locked
	return c.out.write(frameGo, nil)
}

// Streams are the client's ends of the command's streams; nil leaves one out.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run copies the command's streams until it has ended and the monitor has
// cleaned up after it, and returns how it ended. The error is for a connection
// that broke or a stream that can't be written; the container goes on.
func (c *Conn) Run(s Streams) (*Exit, error) {
	defer c.Close()
	if c.stdin != nil && s.In != nil {
		go func() {
			_, _ = io.Copy(c.stdin, s.In) // ends when either side does
			c.stdin.Close()
		}()
	}
	exit, err := c.read(s, false)
	if err != nil {
		return nil, err
	}
	// The monitor closes the socket when nothing is left to do.
	_, _ = io.Copy(io.Discard, c.sock)
	return exit, nil
}

// WaitStarted returns nil as soon as the command runs, else how it failed.
func (c *Conn) WaitStarted() (*Exit, error) {
	return c.read(Streams{}, true)
}

func (c *Conn) read(s Streams, untilStarted bool) (*Exit, error) {
	buf := make([]byte, 32<<10)
	for {
		kind, data, err := readFrame(c.sock, buf)
		if err != nil {
			return nil, fmt.Errorf("the container's monitor has gone: %w", err)
		}
		switch kind {
		case frameStarted:
			c.release()
			close(c.started)
			if untilStarted {
				return nil, nil
			}
		case frameStdout:
			err = writeTo(s.Out, data)
		case frameStderr:
			err = writeTo(s.Err, data)
		case frameExit:
			c.release()
			if len(data) != 2 {
				return nil, fmt.Errorf("read from the monitor: exit of %d bytes", len(data))
			}
			return &Exit{Code: int(data[0]), OOMKilled: data[1] == 1}, nil
		case frameFailed:
			exit := new(Exit)
			if err := json.Unmarshal(data, exit); err != nil {
				return nil, fmt.Errorf("read from the monitor: %w", err)
			}
			c.release()
			return exit, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func writeTo(w io.Writer, data []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(data)
	return err
}

// Signal sends a signal to the command, as soon as it runs.
func (c *Conn) Signal(sig syscall.Signal) error {
	<-c.started
	return c.out.write(frameSignal, strconv.AppendInt(nil, int64(sig), 10))
}

func (c *Conn) release() {
	c.unlock.Do(func() {
		if c.locked != nil {
			c.locked.Close()
		}
	})
}

// Close leaves the container to its monitor.
func (c *Conn) Close() error {
	c.release()
	if c.stdin != nil {
		c.stdin.Close()
	}
	return c.sock.Close()
}

// readOnlySelf opens this program in a way that can't be written through: a
// process in a container that gets hold of /proc/<monitor>/exe must not be able
// to change the host's gocker. The view is an overlay without an upper layer
// that is mounted nowhere; where the kernel can't make one, a sealed copy in
// memory. See CVE-2019-5736.
func readOnlySelf() (*os.File, error) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if f, err := overlayOf(self); err == nil {
		return f, nil
	}
	return sealedCopy("/proc/self/exe")
}

func overlayOf(file string) (*os.File, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fs)
	// Without an upper directory an overlay needs two lower ones, of which
	// neither lies in the other. One in sysfs never holds a program.
	lower := escapeLower(filepath.Dir(file)) + ":/sys/kernel"
	if err := unix.FsconfigSetString(fs, "lowerdir", lower); err != nil {
		return nil, fmt.Errorf("fsconfig: %w", err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("fsconfig: %w", err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, fmt.Errorf("fsmount: %w", err)
	}
	defer unix.Close(mnt)
	fd, err := unix.Openat(mnt, filepath.Base(file), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open in the read-only view: %w", err)
	}
	return os.NewFile(uintptr(fd), file), nil
}

// escapeLower protects the characters that divide lowerdir.
func escapeLower(path string) string {
	var b []byte
	for _, c := range []byte(path) {
		if c == ':' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}

func sealedCopy(file string) (*os.File, error) {
	src, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	fd, err := unix.MemfdCreate("gocker", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	copied := os.NewFile(uintptr(fd), "gocker")
	_, err = io.Copy(copied, src)
	if err == nil {
		seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		copied.Close()
		return nil, fmt.Errorf("copy this program to memory: %w", err)
	}
	return copied, nil
}
