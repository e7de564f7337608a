package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// door is where other clients come in to a container that runs, see
// [Store.Attach]: the socket "attach" in its run directory, of type
// SOCK_SEQPACKET, on which each message begins with a byte that says what it is:
//
//	to the monitor:   i DATA          for the command's input
//	                  c               the client's input has ended
//	                  s ROWS COLUMNS  the client's terminal has another size
//	from the monitor: o DATA, e DATA  the command's output
//
// The end of the connection is the end of the run, or that of the monitor: its
// heir has another socket of the same name. Whoever reads slowly slows the
// command. A nil door is shut.
type door struct {
	dir   *os.File // the run directory
	pumps *pumps

	mu     sync.Mutex
	shut   bool
	late   time.Time // when the last guests are given up, zero is never
	socket *os.File
	guests []*os.File
}

// The kinds of messages.
const (
	doorInput  = 'i'
	doorEOF    = 'c'
	doorSize   = 's'
	doorStdout = 'o'
	doorStderr = 'e'
)

const doorName = "attach"

// doorPath is the socket's, by a descriptor of its directory: that of the run
// that was opened, and shorter than what a socket's address may be. See unix(7).
func doorPath(dir *os.File) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), doorName)}
}

// doorAfter is how long a container must have run in the foreground before others
// can attach to it: commands that end sooner don't pay for the socket.
const doorAfter = 20 * time.Millisecond

// doorPoll is how often a client looks whether there is a door.
const doorPoll = 5 * time.Millisecond

// open makes the socket, in the place of one that a monitor has left.
func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket for clients: %w", err)
	}
	at := doorPath(d.dir)
	if err := unix.Unlink(at.Name); err != nil && err != unix.ENOENT {
		return errors.Join(fmt.Errorf("remove the old socket for clients: %w", err), unix.Close(fd))
	}
	if err = unix.Bind(fd, at); err == nil {
		err = unix.Listen(fd, 16)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("socket for clients: %w", err), unix.Close(fd))
	}
	d.socket = os.NewFile(uintptr(fd), doorName)
	go d.welcome()
	return nil
}

// welcome takes in clients until the door is closed.
func (d *door) welcome() {
	conn, err := d.socket.SyscallConn()
	if err != nil {
		return
	}
	for {
		var fd int
		var failed error
		err := conn.Read(func(socket uintptr) bool {
			fd, _, failed = unix.Accept4(int(socket), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return // closed
		case failed == nil:
			if guest := os.NewFile(uintptr(fd), "client"); d.admit(guest) {
				go d.serve(guest)
			} else {
				guest.Close()
			}
		case failed != unix.EINTR && failed != unix.ECONNABORTED:
			time.Sleep(100 * time.Millisecond) // out of descriptors, or of memory
		}
	}
}

func (d *door) admit(guest *os.File) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut || !d.late.IsZero() {
		return false
	}
	d.guests = append(d.guests, guest)
	return true
}

// serve does what a client wants until it goes.
func (d *door) serve(guest *os.File) {
	buf := make([]byte, 1+pumpSize)
	for {
		n, err := guest.Read(buf)
		if err != nil {
			break
		}
		switch kind, data := buf[0], buf[1:n]; {
		case kind == doorInput && d.pumps.input != nil:
			_, _ = d.pumps.input.Write(data) // the command may have closed it
		case kind == doorEOF && d.pumps.once:
			d.pumps.endInput()
		case kind == doorSize && len(data) == 4:
			// The command may be ending.
			_ = d.pumps.resize(Size{Rows: uint16(data[0])<<8 | uint16(data[1]), Columns: uint16(data[2])<<8 | uint16(data[3])})
		}
	}
	d.leave(guest)
}

// leave ends a client's visit. It may be done twice.
func (d *door) leave(guest *os.File) {
	d.mu.Lock()
	d.guests = slices.DeleteFunc(d.guests, func(g *os.File) bool { return g == guest })
	d.mu.Unlock()
	guest.Close()
}

// pass gives output to all who are in, after the byte of its kind.
func (d *door) pass(message []byte) {
	if d == nil {
		return
	}
	d.mu.Lock()
	guests := slices.Clone(d.guests)
	d.mu.Unlock()
	for _, guest := range guests {
		if _, err := guest.Write(message); err != nil {
			d.leave(guest)
		}
	}
}

// lastOrders is how long clients have to read what is left when the command has
// ended: one that has been stopped must not keep it from being cleaned up after.
const lastOrders = 10 * time.Second

// hurry says that the command has ended.
func (d *door) hurry() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.late = time.Now().Add(lastOrders)
	for _, guest := range d.guests {
		_ = guest.SetWriteDeadline(d.late)
	}
}

// close sends all away. What has been passed to them they can still read.
func (d *door) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	if d.socket != nil {
		d.socket.Close()
	}
	for _, guest := range d.guests {
		guest.Close()
	}
}

// knock connects to a run's door: the error is a passing one, [fs.ErrNotExist] or
// ECONNREFUSED, as long as there is nobody.
func knock(dir *os.File) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	for {
		err := unix.Connect(fd, doorPath(dir))
		if err == nil {
			return os.NewFile(uintptr(fd), "monitor"), nil
		}
		if err != unix.EINTR {
			return nil, errors.Join(err, unix.Close(fd))
		}
	}
}

// hear reads a message. One side may have gone with something unread: that is
// told once, and what it had sent before can be read after.
func hear(conn *os.File, buf []byte) (int, error) {
	n, err := conn.Read(buf)
	if errors.Is(err, unix.ECONNRESET) {
		n, err = conn.Read(buf)
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}
