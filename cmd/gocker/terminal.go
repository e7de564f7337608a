package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"gocker/container"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// client is this process's side of a command in the foreground.
type client struct {
	streams  container.Streams
	terminal *os.File // in raw mode while the command has one of its own
	state    *term.State
}

// newClient connects the command's streams to this process's. With tty the
// command has a terminal of its own, and this process's, if its input is one,
// becomes a mere wire: keys are what leaves the command, "ctrl-p,ctrl-q". The
// code is that of the error.
func (c *cli) newClient(tty, stdin bool, keys string) (cl *client, code int, err error) {
	cl = &client{streams: container.Streams{Out: c.out, Err: c.err}}
	sequence, err := parseDetachKeys(keys)
	if err != nil {
		return nil, 125, err
	}
	in, isFile := c.in.(*os.File)
	isTerminal := isFile && term.IsTerminal(int(in.Fd()))
	if tty && stdin && !isTerminal {
		return nil, 1, errors.New("cannot attach stdin to a TTY-enabled container because stdin is not a terminal")
	}
	if stdin {
		cl.streams.In = c.in
	}
	if tty && isTerminal {
		cl.terminal, cl.streams.Terminal, cl.streams.Ready = in, in, cl.raw
		if stdin {
			cl.streams.In = &detachReader{r: in, keys: sequence}
		}
	}
	return cl, 0, nil
}

// raw makes the terminal a wire, as soon as the keeper is there to give it its
// mode back when this process is killed, and before the command's output comes.
func (cl *client) raw() error {
	state, err := term.MakeRaw(int(cl.terminal.Fd()))
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	cl.state = state
	return nil
}

// restore gives the terminal its mode back.
func (cl *client) restore() {
	if cl.state != nil {
		_ = term.Restore(int(cl.terminal.Fd()), cl.state)
	}
}

// follow keeps the command's terminal as large as this process's, until that ends.
func (cl *client) follow(resize func(container.Size) error) {
	if cl.terminal == nil {
		return
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	changes <- syscall.SIGWINCH // it may have changed since the start
	go func() {
		for range changes {
			if size, err := unix.IoctlGetWinsize(int(cl.terminal.Fd()), unix.TIOCGWINSZ); err == nil {
				_ = resize(container.Size{Rows: size.Row, Columns: size.Col}) // the command may have ended
			}
		}
	}()
}

// detachReader reads until the detach keys are typed. Keys that begin the
// sequence are held back until it is clear that they don't go on with it.
type detachReader struct {
	r    io.Reader
	keys []byte
	seen int    // of the keys
	rest []byte // read and not returned yet
	err  error  // what comes after the rest
}

func (d *detachReader) Read(p []byte) (int, error) {
	for len(d.rest) == 0 && d.err == nil {
		buf := make([]byte, len(p))
		n, err := d.r.Read(buf)
		d.take(buf[:n])
		if err != nil && d.err == nil {
			d.rest = append(d.rest, d.keys[:d.seen]...)
			d.err = err
		}
	}
	if len(d.rest) == 0 {
		return 0, d.err
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// take looks for the keys in what was typed.
func (d *detachReader) take(typed []byte) {
	for _, b := range typed {
		if len(d.keys) > 0 && b != d.keys[d.seen] {
			d.rest = append(d.rest, d.keys[:d.seen]...)
			d.seen = 0
		}
		if len(d.keys) == 0 || b != d.keys[d.seen] {
			d.rest = append(d.rest, b)
			continue
		}
		if d.seen++; d.seen == len(d.keys) {
			d.seen, d.err = 0, container.ErrDetached
			return
		}
	}
}

const defaultDetachKeys = "ctrl-p,ctrl-q"

// parseDetachKeys reads docker's form: letters, or ctrl- with a letter or one of
// @[\]^_, with commas between them.
func parseDetachKeys(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	var keys []byte
	for word := range strings.SplitSeq(text, ",") {
		name, isCtrl := strings.CutPrefix(word, "ctrl-")
		switch {
		case len(name) != 1:
			return nil, fmt.Errorf("invalid detach keys (%s): Unknown character: '%s'", text, word)
		case !isCtrl:
			keys = append(keys, name[0])
		case name[0] >= 'a' && name[0] <= 'z', name[0] >= '@' && name[0] <= '_':
			keys = append(keys, name[0]&0x1f)
		default:
			return nil, fmt.Errorf("invalid detach keys (%s): Unknown character: '%s'", text, word)
		}
	}
	return keys, nil
}
