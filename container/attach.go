package container

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Attachment is a client of a container whose monitor is another process.
type Attachment struct {
	run     *running
	code    *os.File // see [Container.exitFile]
	streams Streams

	mu      sync.Mutex
	changed sync.Cond
	conn    *os.File // to the monitor there is now, nil between two
	over    bool     // there will be no other
	eof     bool     // the input has ended
	size    *Size    // the last one of the terminal
}

// Attach connects a client to the streams of a running container: it gets what is
// printed from now on, and what it types reaches the command. Others may do the
// same. When the client that the container's monitor was has gone, its heir is
// found. The caller ends with [Attachment.Wait].
func (s *Store) Attach(c *Container, streams Streams) (*Attachment, error) {
	if err := c.Attachable(); err != nil {
		return nil, err
	}
	r, err := s.hold(c)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, c.Attachable()
	}
	a := &Attachment{run: r, streams: streams}
	a.changed.L = &a.mu
	if a.code, err = leaveWord(c.exitFile()); err == nil {
		err = streams.ready()
	}
	if err == nil {
		err = a.connect()
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	s.note(c, "attach")
	return a, nil
}

// Attachable says why nobody can attach to a container now, in docker's words.
func (c *Container) Attachable() error {
	switch {
	case c.State.Status == Restarting:
		return errors.New("cannot attach to a restarting container, wait until it is running")
	case c.State.Status != Running:
		return errors.New("cannot attach to a stopped container, start it first")
	case c.State.Paused:
		return errors.New("cannot attach to a paused container, unpause it first")
	}
	return nil
}

// connect finds the monitor that there is now. When there is none any more the
// attachment is over, which is no error.
func (a *Attachment) connect() error {
	for {
		conn, err := knock(a.run.dir)
		if err == nil {
			a.use(conn)
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("attach to container %s: %w", a.run.c.ShortID(), err)
		}
		// The monitor is about to open its door, or to have an heir, or the
		// container is ending: nobody says which.
		if ended, err := a.run.ends(doorPoll); ended || err != nil {
			a.use(nil)
			return err
		}
		if !a.run.monitored() {
			a.use(nil)
			return nil
		}
	}
}

// use takes a connection, or none for the end.
func (a *Attachment) use(conn *os.File) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn, a.over = conn, conn == nil
	a.changed.Broadcast()
	if conn == nil {
		return
	}
	// What an earlier monitor may have been told.
	if a.size != nil {
		_, _ = conn.Write(a.size.message())
	}
	if a.eof {
		_, _ = conn.Write([]byte{doorEOF})
	}
}

// message is a size for a door.
func (s Size) message() []byte {
	return []byte{doorSize, byte(s.Rows >> 8), byte(s.Rows), byte(s.Columns >> 8), byte(s.Columns)}
}

// Resize tells the command's terminal its size.
func (a *Attachment) Resize(size Size) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.size = &size
	if a.conn == nil {
		return nil
	}
	_, err := a.conn.Write(size.message())
	return err
}

// Signal sends a signal to the command.
func (a *Attachment) Signal(sig syscall.Signal) error { return a.run.signal(sig) }

// Wait copies the streams until the command ends, and returns how it did when it
// has been cleaned up after. The error is [ErrDetached] when the client has left;
// the container goes on.
func (a *Attachment) Wait() (*Exit, error) {
	done := make(chan error, 2)
	if a.streams.In != nil {
		go func() {
			if err := a.copyIn(); errors.Is(err, ErrDetached) {
				done <- err
			}
		}()
	}
	go func() { done <- a.copyOut() }()
	if err := <-done; err != nil {
		return nil, errors.Join(err, a.close())
	}
	code, _, err := a.run.exitCode(a.code)
	a.run.close()
	return &Exit{Code: code}, err
}

// close ends the attachment while the container goes on.
func (a *Attachment) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	a.changed.Broadcast()
	if a.conn != nil {
		a.conn.Close()
	}
	a.run.close()
	if a.code == nil {
		return nil
	}
	return takeBack(a.code)
}

// copyIn sends the client's input for as long as there is a monitor.
func (a *Attachment) copyIn() error {
	message := make([]byte, 1+pumpSize)
	message[0] = doorInput
	for {
		n, err := a.streams.In.Read(message[1:])
		if n > 0 && !a.send(message[:1+n]) {
			return nil
		}
		if errors.Is(err, ErrDetached) {
			return err
		}
		if err != nil {
			a.mu.Lock()
			a.eof = true
			a.mu.Unlock()
			a.send([]byte{doorEOF})
			return nil
		}
	}
}

// send sends a message to the monitor that there is, or the next. It reports
// whether there was one.
func (a *Attachment) send(message []byte) bool {
	var tried *os.File
	for {
		a.mu.Lock()
		for !a.over && (a.conn == nil || a.conn == tried) {
			a.changed.Wait()
		}
		conn, over := a.conn, a.over
		a.mu.Unlock()
		if over {
			return false
		}
		if _, err := conn.Write(message); err == nil {
			return true
		}
		tried = conn
	}
}

// copyOut passes on what the monitors send, one after the other.
func (a *Attachment) copyOut() error {
	message := make([]byte, 1+pumpSize)
	out := map[byte]io.Writer{doorStdout: a.streams.Out, doorStderr: a.streams.Err}
	for {
		a.mu.Lock()
		conn, over := a.conn, a.over
		a.mu.Unlock()
		if over {
			return nil
		}
		n, err := hear(conn, message)
		if err != nil {
			conn.Close()
			if err := a.connect(); err != nil {
				return err
			}
			continue
		}
		if to := out[message[0]]; to != nil {
			if _, err := to.Write(message[1:n]); err != nil {
				return fmt.Errorf("pass on the output: %w", err)
			}
		}
	}
}
