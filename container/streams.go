package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// Streams are the client's ends of the command's streams; nil leaves one out.
// Without In the command's standard input is empty.
type Streams struct {
	// In is read until its end. When it returns [ErrDetached] the client wants
	// to leave.
	In       io.Reader
	Out, Err io.Writer
	// Terminal is the client's, of a command with one of its own. It gets the
	// mode back that it has now when this process ends in whatever way.
	Terminal *os.File
	// Ready, unless nil, is called when that is so, before anything is copied.
	Ready func() error
}

// ErrDetached says that the client has left a command that goes on.
var ErrDetached = errors.New("detached")

// stdio are the ends of the streams between a process and a command: pipes, or
// a terminal.
type stdio struct {
	ours, theirs [3]*os.File
	// pts is the devpts of a new container, a mount that is nowhere yet.
	pts *os.File
}

// makeStreams makes the streams of a new container. Its input is a pipe only if it
// may get some.
func makeStreams(spec *Spec, input bool) (*stdio, error) {
	if spec.Process.Terminal {
		return makeTerminal(spec)
	}
	return makePipes(spec, input)
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
	uid := int(spec.Process.User.UID)
	for i, f := range s.theirs {
		if err == nil && uid != 0 && s.ours[i] != nil {
			if err = unix.Fchown(int(f.Fd()), uid, -1); err != nil {
				err = fmt.Errorf("give the streams to user %d: %w", uid, err)
			}
		}
	}
	if err != nil {
		s.closeTheirs()
		s.closeOurs()
		return nil, err
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

func (s *stdio) closeTheirs() { closeAll(append(s.theirs[:], s.pts)) }
func (s *stdio) closeOurs()   { closeAll(s.ours[:]) }

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// terminal is our side of the command's terminal, nil when it has none.
func (s *stdio) terminal() *os.File {
	if s.ours[0] != nil && s.ours[0] == s.ours[1] {
		return s.ours[0]
	}
	return nil
}

// pumps move what is read on one side to the other.
type pumps struct {
	out      sync.WaitGroup
	outs     []*os.File // what is read
	input    *os.File   // the command's, nil without
	terminal *os.File
	once     bool          // the end of the client's input is that of the command's
	detached chan struct{} // nil when the client can't leave
	door     *door         // of other clients, nil when there can't be any
}

// pumpSize is how much is moved at once.
const pumpSize = 32 << 10

// newPumps are those of a command's streams. With once the end of its client's
// input is that of its own.
func newPumps(s *stdio, once bool) *pumps {
	return &pumps{input: s.ours[0], terminal: s.terminal(), once: once}
}

// start moves the streams, and logs what the command prints.
func (p *pumps) start(s *stdio, client Streams, log *logFile) {
	if client.In != nil {
		p.detached = make(chan struct{})
		go p.copyIn(client.In)
	}
	p.add(s.ours[1], doorStdout, client.Out, log.stream("stdout"))
	p.add(s.ours[2], doorStderr, client.Err, log.stream("stderr"))
}

// ready lets the client prepare its terminal.
func (s Streams) ready() error {
	if s.Ready == nil {
		return nil
	}
	return s.Ready()
}

// add starts to copy a stream, if there is one.
func (p *pumps) add(from *os.File, kind byte, client io.Writer, log *logStream) {
	if from != nil {
		p.outs = append(p.outs, from)
		p.out.Add(1)
		go p.copyOut(from, kind, client, log)
	}
}

// copyIn ends when either side closes.
func (p *pumps) copyIn(client io.Reader) {
	_, err := io.Copy(p.input, client)
	switch {
	case errors.Is(err, ErrDetached):
		close(p.detached)
	case p.once:
		p.endInput()
	}
}

// endInput lets the command read the end of its input. A terminal stays open: it
// is for both ways.
func (p *pumps) endInput() {
	if p.input != nil && p.input != p.terminal {
		p.input.Close()
	}
}

// stop returns when all that was read has been passed on, and no more is
// going to be read.
func (p *pumps) stop() {
	p.abandon()
	p.drain()
}

// abandon lets no more be read.
func (p *pumps) abandon() {
	for _, f := range p.outs {
		_ = f.SetReadDeadline(time.Unix(1, 0)) // unless it has come to its end
	}
}

// copyOut logs a stream and passes it on for as long as the clients take it. A
// client that reads slowly slows the command; nothing is lost. The end of a
// terminal is an error, EIO.
func (p *pumps) copyOut(from *os.File, kind byte, client io.Writer, log *logStream) {
	defer p.out.Done()
	defer from.Close()
	message := make([]byte, 1+pumpSize)
	message[0] = kind
	buf := message[1:]
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if log != nil {
				_ = log.write(buf[:n]) // a full disk must not end the command
			}
			if client != nil {
				if _, err := client.Write(buf[:n]); err != nil {
					client = nil
				}
			}
			p.door.pass(message[:1+n])
		}
		if err != nil {
			if log != nil {
				_ = log.close()
			}
			return
		}
	}
}

// wait waits for a process, or for the client to leave it.
func (p *pumps) wait(proc *step.Process) (unix.WaitStatus, error) {
	if p.detached == nil {
		return proc.Wait()
	}
	type end struct {
		status unix.WaitStatus
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		status, err := proc.Wait()
		ended <- end{status, err}
	}()
	select {
	case e := <-ended:
		return e.status, e.err
	case <-p.detached:
		return 0, ErrDetached
	}
}

// drain waits for the last of the output.
func (p *pumps) drain() { p.out.Wait() }
