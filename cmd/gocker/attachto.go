package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gocker/container"
)

// attachTo says which streams of a container its client is to have: those of
// --attach, else all but an input that isn't open, or none in the background.
func (f *createFlags) attachTo(conf *container.Config, detach bool) error {
	conf.AttachStdin, conf.AttachStdout, conf.AttachStderr = conf.OpenStdin && !detach, !detach, !detach
	if len(f.attach) > 0 {
		if detach {
			return errors.New("conflicting options: cannot specify both --attach and --detach")
		}
		var named []string
		for _, name := range f.attach {
			name = strings.ToLower(name)
			if !slices.Contains([]string{"stdin", "stdout", "stderr"}, name) {
				return fmt.Errorf("invalid argument %q for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR", name)
			}
			named = append(named, name)
		}
		conf.AttachStdin = slices.Contains(named, "stdin")
		conf.AttachStdout, conf.AttachStderr = slices.Contains(named, "stdout"), slices.Contains(named, "stderr")
	}
	conf.StdinOnce = conf.OpenStdin && conf.AttachStdin
	return nil
}

// keep leaves a client the streams that it is to have.
func (cl *client) keep(conf *container.Config) {
	if !conf.AttachStdout {
		cl.streams.Out = nil
	}
	if !conf.AttachStderr {
		cl.streams.Err = nil
	}
}

// feed starts a container that is given this process's input and nothing else, and
// then goes on by itself.
func (c *cli) feed(store *container.Store, ctr *container.Container, cl *client, signals chan os.Signal) (code int, err error) {
	if cl.streams.In != nil {
		cl.streams.In = untilEnd{cl.streams.In}
	}
	monitor, err := store.Start(ctr, cl.streams)
	if err != nil {
		cl.restore()
		return startFailure(err), withHint(err)
	}
	fmt.Fprintln(c.out, ctr.ID)
	if cl.streams.In == nil {
		return 0, monitor.Leave()
	}
	cl.follow(monitor.Resize)
	if signals != nil {
		go proxySignals(signals, monitor)
	}
	_, err = monitor.Wait()
	cl.restore()
	if errors.Is(err, container.ErrDetached) {
		err = nil
	}
	return 0, err
}

// untilEnd leaves the container at the end of its input.
type untilEnd struct{ r io.Reader }

func (u untilEnd) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = container.ErrDetached
	}
	return n, err
}
