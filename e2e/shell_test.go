package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// shell is a bash that is fed a command at a time, as by somebody who types. A
// command may start another shell, which then reads what follows, until exit.
type shell struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	chunks chan []byte // what is printed; closed at its end
	said   []byte      // of that, what belongs to the present command
	sent   int         // how many marks have been asked for
}

// errShell is a shell of which nothing can be asked any more.
var errShell = errors.New("shell")

// startShell runs a bash in namespaces of its own: what is typed there may change
// mounts, the host name, System V objects and the network.
func startShell(setup string, env []string) (*shell, error) {
	args := []string{"--mount", "--uts", "--ipc", "--net", "--propagation", "private"}
	s := &shell{chunks: make(chan []byte)}
	s.cmd = exec.Command("unshare", append(args, "bash", "--noprofile", "--norc", "-c", setup)...)
	s.cmd.Env = env
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	w.Close()
	go func() {
		defer close(s.chunks)
		defer r.Close()
		for {
			buf := make([]byte, 32<<10)
			n, err := r.Read(buf)
			if n > 0 {
				s.chunks <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return s, nil
}

// A mark is what the shell is asked to print when a command is over: between two
// bytes that no command prints, its number and the command's exit status.
var mark = regexp.MustCompile("\x1e([0-9]+) ([0-9]+)\x1e")

// run types one command and returns what it printed, once the shell asks for the
// next. A shell that ends may have read the mark already and take it along. So
// marks are sent until one is answered; then those behind it will be, too.
func (s *shell) run(command string) (output string, status int, err error) {
	status = -1
	s.said = nil
	first := s.sent + 1
	if err := s.send(command + "\n"); err != nil {
		return "", status, err
	}
	if err := s.askForMark(); err != nil {
		return "", status, err
	}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	deadline := time.After(3 * patience())
	for {
		if status >= 0 && s.answered() == s.sent {
			return string(mark.ReplaceAll(s.said, nil)), status, nil
		}
		select {
		case chunk, ok := <-s.chunks:
			if !ok {
				return string(s.said), status, fmt.Errorf("%w: it has ended", errShell)
			}
			s.said = append(s.said, chunk...)
			if m := mark.FindSubmatch(s.said); m != nil && status < 0 {
				if n, _ := strconv.Atoi(string(m[1])); n < first {
					return string(s.said), status, fmt.Errorf("%w: mark %d came late", errShell, n)
				}
				status, _ = strconv.Atoi(string(m[2]))
			}
		case <-again.C:
			if status < 0 {
				if err := s.askForMark(); err != nil {
					return string(s.said), status, err
				}
			}
		case <-deadline:
			return string(s.said), status, fmt.Errorf("%w: not over within %v", errShell, 3*patience())
		}
	}
}

// answered is the number of the last mark that came back.
func (s *shell) answered() int {
	all := mark.FindAllSubmatch(s.said, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(all[len(all)-1][1]))
	return n
}

func (s *shell) askForMark() error {
	s.sent++
	return s.send(fmt.Sprintf(`printf '\036%d %%d\036' $?`+"\n", s.sent))
}

func (s *shell) send(text string) error {
	if _, err := io.WriteString(s.in, text); err != nil {
		return fmt.Errorf("type %q: %w", strings.TrimSpace(text), err)
	}
	return nil
}

// close ends the shell as the end of a terminal does. What is still running in it
// keeps its output open, and gets a moment only.
func (s *shell) close() error {
	s.in.Close()
	left := new(bytes.Buffer)
	end := time.After(patience())
	for {
		select {
		case chunk, ok := <-s.chunks:
			if !ok {
				return s.cmd.Wait()
			}
			left.Write(chunk)
		case <-end:
			_ = s.cmd.Process.Signal(unix.SIGKILL)
			return fmt.Errorf("something holds the shell's output open; last it said %q", left)
		}
	}
}
