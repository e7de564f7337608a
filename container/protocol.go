package container

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// The client that starts or attaches to a container and the monitor speak over
// a stream socket in frames: a byte that says what it is, the length in four
// bytes, big endian, and as much data.
//
//	client → monitor    go       nothing: the container is there, start it
//	                    signal   a number in decimal
//	monitor → client    started  nothing
//	                    stdout, stderr  output of the command
//	                    exit     how it ended: the exit code, and 1 for an OOM kill
//	                    failed   why it did not start: an [Exit] in JSON
//
// The last two end the conversation; the socket closes when all is cleaned up.
//
// Standard input goes on a pipe of its own, so that a command that does not
// read holds up no signal. The monitor outlives the client: when the socket
// breaks it goes on without it.
const (
	frameGo      = 'g'
	frameSignal  = 's'
	frameStarted = 'S'
	frameStdout  = '1'
	frameStderr  = '2'
	frameExit    = 'X'
	frameFailed  = 'F'
)

const maxFrame = 1 << 20

// Exit is how a container ended, or why it did not start.
type Exit struct {
	Code      int
	OOMKilled bool
	// Failed is set when the command did not run; Code is then what run exits
	// with, and Message and Hint tell why.
	Failed        bool
	Message, Hint string
}

// frames writes frames; it is safe for concurrent use.
type frames struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frames) write(kind byte, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(data)))
	buffers := net.Buffers{head[:], data}
	_, err := buffers.WriteTo(f.w)
	return err
}

func (f *frames) writeJSON(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.write(kind, b)
}

// readFrame reads one frame into buf, which it makes larger when it must, and
// returns the data. The error is io.EOF at a clean end.
func readFrame(r io.Reader, buf []byte) (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", n)
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	data = buf[:n]
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return head[0], data, nil
}

// socketpair returns two connected stream sockets, closed on exec. The client
// blocks in its reads: it has nothing else to do, and going through the
// runtime's poller would wake more threads than there is work for.
func socketpair() (client, monitor *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "client"), os.NewFile(uintptr(fds[1]), "monitor"), nil
}

// pipe returns a pipe of which our end is for the runtime's poller and the
// other, for a program that knows nothing of O_NONBLOCK, is not.
func pipe(ourEnd int) (ours, theirs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	if err := unix.SetNonblock(fds[ourEnd], true); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("pipe: %w", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[ourEnd]), "pipe"), os.NewFile(uintptr(fds[1-ourEnd]), "pipe"), nil
}

const (
	readEnd  = 0
	writeEnd = 1
)
