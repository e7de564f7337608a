package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A container with a health check has one more process beside it, its prober,
// `gocker prober ID`: it executes the check now and then as `gocker exec` does,
// and writes down what came of it. The monitor, which may be anybody's client or
// an heir, knows nothing of it but that it ends with the container: until then it
// has a file of the container's directory locked.

// proberLock is the descriptor of that file in the prober.
const proberLock = 3

func (c *Container) proberFile() string { return filepath.Join(c.dir, "prober") }

// startProber begins to check the health of a container that has just started,
// if there is a check.
func (s *Store) startProber(c *Container) error {
	if c.Config.Healthcheck.command() == nil {
		return nil
	}
	failed := func(err error) error { return fmt.Errorf("start the health check: %w", err) }
	h := Health{Status: Starting, Log: []HealthResult{}}
	if c.State.Health != nil {
		h.Log = c.State.Health.Log
	}
	if err := c.writeHealth(&h); err != nil {
		return failed(err)
	}
	if err := newFile(c.proberFile(), nil, false); err != nil {
		return failed(err)
	}
	held, err := lock(c.proberFile(), true)
	if err != nil {
		return failed(err)
	}
	defer held.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return failed(err)
	}
	defer null.Close()
	prober, err := os.StartProcess("/proc/self/exe",
		[]string{"gocker", "--root", s.Root, "--run-root", s.RunRoot, "prober", c.ID},
		&os.ProcAttr{
			Dir: "/", Env: []string{defaultPath, "GOMAXPROCS=1"}, // as an heir's
			Files: []*os.File{null, null, null, held},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
	if err != nil {
		return failed(err)
	}
	go func() { _, _ = prober.Wait() }() // so that none is left when this process starts it again
	return nil
}

// awaitProber waits until the prober has seen that the container has ended.
func (c *Container) awaitProber() error {
	if c.Config.Healthcheck.command() == nil {
		return nil
	}
	held, err := lock(c.proberFile(), true)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return held.Close()
}

// Probe checks the health of a running container until it ends. It is what the
// prober does.
func (s *Store) Probe(id string) error {
	unix.CloseOnExec(proberLock)
	unix.Umask(0o022)
	nameProcess()
	c, err := s.read(id)
	if err != nil {
		return err
	}
	process, err := c.State.process()
	if err != nil || process == nil {
		return err
	}
	defer process.Close()
	check, health := c.Config.Healthcheck, Health{Status: Starting}
	if c.State.Health != nil {
		health = *c.State.Health
	}
	fds := []unix.PollFd{{Fd: int32(process.Fd()), Events: unix.POLLIN}}
	for {
		ended, err := sleepSmall(fds, check.pause(health.Status, time.Since(c.State.StartedAt)))
		if err != nil || ended {
			return err
		}
		group, err := c.group()
		if err != nil {
			return err
		}
		if frozen, err := group.Frozen(); err != nil || frozen {
			continue // paused, or about to end
		}
		result := s.check(c)
		if ended, err := poll(fds, 0); err != nil || ended {
			return err // that is why it failed
		}
		before := health.Status
		health.add(check, result, result.Start.Sub(c.State.StartedAt))
		if err := c.writeHealth(&health); err != nil {
			return err
		}
		if health.Status != before {
			s.note(c, "health_status: "+health.Status)
		}
	}
}

// check executes the check once.
func (s *Store) check(c *Container) HealthResult {
	r := HealthResult{Start: time.Now(), ExitCode: -1}
	finish := func(output string) HealthResult {
		r.End, r.Output = time.Now(), output
		return r
	}
	var out limitedOutput
	e, err := s.Exec(c, ExecOptions{Args: c.Config.Healthcheck.command()}, Streams{Out: &out, Err: &out})
	if err != nil {
		return finish(err.Error())
	}
	timeout := c.Config.Healthcheck.timeout()
	late := make(chan struct{})
	timer := time.AfterFunc(timeout, func() {
		close(late)
		_ = e.Signal(unix.SIGKILL)
		e.streams.abandon() // what it has left may hold them open
	})
	code, err := e.Wait()
	if !timer.Stop() {
		<-late
		text := fmt.Sprintf("Health check exceeded timeout (%v)", timeout)
		if o := out.String(); o != "" {
			text += ": " + o
		}
		return finish(text)
	}
	if err != nil {
		return finish(err.Error())
	}
	r.ExitCode = code
	return finish(out.String())
}

// limitedOutput keeps the beginning of what is written to it, as much as docker
// keeps.
type limitedOutput struct {
	mu   sync.Mutex
	text []byte
	more bool
}

const maxHealthOutput = 4096

func (o *limitedOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(b), maxHealthOutput-len(o.text))
	o.text = append(o.text, b[:n]...)
	o.more = o.more || n < len(b)
	return len(b), nil
}

func (o *limitedOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.ToValidUTF8(string(o.text), "\ufffd")
	if o.more {
		text += "..."
	}
	return text
}
