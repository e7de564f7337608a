package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stdio are the pipes between the monitor and the command.
type stdio struct {
	ours, theirs [3]*os.File
}

// makePipes makes the command's three streams. They belong to the user as whom it
// runs, so that it may open them again through /dev/stdout.
func makePipes(spec *Spec, input bool) (*stdio, error) {
	s := new(stdio)
	var err error
	if input {
		s.ours[0], s.theirs[0], err = pipe(writeEnd)
	} else {
		s.theirs[0], err = os.Open(os.DevNull)
	}
	for i := 1; i <= 2 && err == nil; i++ {
		s.ours[i], s.theirs[i], err = pipe(readEnd)
	}
	if err != nil {
		s.closeTheirs()
		return nil, err
	}
	uid := int(spec.Process.User.UID)
	for i, f := range s.theirs {
		if uid != 0 && s.ours[i] != nil {
			if err := unix.Fchown(int(f.Fd()), uid, -1); err != nil {
				return nil, fmt.Errorf("give the streams to user %d: %w", uid, err)
			}
		}
	}
	return s, nil
}

const (
	readEnd  = 0
	writeEnd = 1
)

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

func (s *stdio) closeTheirs() {
	for _, f := range s.theirs {
		if f != nil {
			f.Close()
		}
	}
}

// copy starts what moves the streams.
func (m *Monitor) copy(s *stdio, client Streams) {
	if client.In != nil {
		go func() {
			_, _ = io.Copy(s.ours[0], client.In) // ends when either side closes
			s.ours[0].Close()
		}()
	}
	m.outs = s.ours[1:]
	m.pump.Add(2)
	go m.copyOut(s.ours[1], client.Out, &logStream{log: m.log, name: "stdout"})
	go m.copyOut(s.ours[2], client.Err, &logStream{log: m.log, name: "stderr"})
}

// stopCopying returns when all that was read has been passed on, and no more is
// going to be read.
func (m *Monitor) stopCopying() {
	for _, f := range m.outs {
		_ = f.SetReadDeadline(time.Unix(1, 0)) // unless it has come to its end
	}
	m.pump.Wait()
}

// copyOut logs a stream and passes it on for as long as the client takes it. A
// client that reads slowly slows the command; nothing is lost.
func (m *Monitor) copyOut(from *os.File, client io.Writer, log *logStream) {
	defer m.pump.Done()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_ = log.write(buf[:n]) // a full disk must not end the command
			if client != nil {
				if _, err := client.Write(buf[:n]); err != nil {
					client = nil
				}
			}
		}
		if err != nil {
			_ = log.close()
			return
		}
	}
}
