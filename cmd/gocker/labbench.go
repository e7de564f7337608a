package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"gocker/container"
	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// labPatience bounds the wait for what has to happen at once.
const labPatience = 20 * time.Second

// bench is what one experiment has made: a directory, variables, processes.
type bench struct {
	cli  *cli
	self string   // this program
	dir  *os.File // the directory, locked for as long as the experiment goes on
	lab  string   // its path
	vars map[string]string
	jobs map[string]*labJob
}

// newBench makes the directory, with a root whose only program is this one: it
// is static and needs nothing else. The tools are scripts that it interprets.
func newBench(c *cli) (b *bench, err error) {
	b = &bench{cli: c, jobs: map[string]*labJob{}}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := isStatic(b.self); err != nil {
		return nil, err
	}
	if err := b.makeDir(); err != nil {
		return nil, err
	}
	b.vars = map[string]string{
		"LAB": b.lab, "ROOT": filepath.Join(b.lab, "root"), "CONTAINERS": filepath.Join(filepath.Dir(b.lab), "containers"),
		"TOKEN": "lab-" + container.NewID()[:12],
	}
	if err := b.fill(); err != nil {
		return nil, errors.Join(err, b.clear())
	}
	return b, nil
}

// makeDir makes and locks the directory, after those that a kill -9 has left are
// removed. It is not one for temporary files, which may be mounted noexec.
func (b *bench) makeDir() error {
	if err := os.MkdirAll(b.cli.root, 0o711); err != nil {
		return err
	}
	root, err := filepath.Abs(b.cli.root)
	if err != nil {
		return err
	}
	// A container's record names its directory without links.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	all, err := lockDir(root, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer all.Close()
	left, err := filepath.Glob(filepath.Join(root, "lab.*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if f, err := lockDir(dir, unix.LOCK_EX|unix.LOCK_NB); err == nil {
			if err := errors.Join(b.cli.removeLab(dir), f.Close()); err != nil {
				return err
			}
		}
	}
	if b.lab, err = os.MkdirTemp(root, "lab."); err != nil {
		return err
	}
	b.dir, err = lockDir(b.lab, unix.LOCK_EX)
	return err
}

// lockDir locks a directory until the file is closed. See flock(2).
func lockDir(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// isStatic refuses a program that would look for its libraries in an empty root.
func isStatic(path string) error {
	program, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	defer program.Close()
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not a static binary: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

func (b *bench) fill() error {
	root := b.vars["ROOT"]
	for _, dir := range []string{"bin", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := copyProgram(b.self, filepath.Join(root, "gocker")); err != nil {
		return err
	}
	for _, tool := range labTools {
		script := []byte("#!/gocker lab-tool\n")
		if err := os.WriteFile(filepath.Join(root, "bin", tool.name), script, 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(root, "note"), []byte("original\n"), 0o644)
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// standIn calls f on a thread that has new namespaces, and on which nothing
// else runs later: it ends with the goroutine. See unshare(2).
func (b *bench) standIn(flags uintptr, f func()) error {
	runtime.LockOSThread()
	if flags != 0 {
		if err := unix.Unshare(int(flags)); err != nil {
			return fmt.Errorf("unshare namespaces that stand for the host's: %w", err)
		}
	}
	if flags&unix.CLONE_NEWNS != 0 {
		private := step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE}
		if err := private.Do(); err != nil {
			return fmt.Errorf("%s: %w", private.Shell(), err)
		}
	}
	f()
	return nil
}

// stopJobs ends what was left running.
func (b *bench) stopJobs() error {
	var errs []error
	for _, j := range b.jobs {
		errs = append(errs, j.stop())
	}
	return errors.Join(errs...)
}

// clear removes all that the experiment has made.
func (b *bench) clear() error {
	return errors.Join(b.cli.removeLab(b.lab), b.dir.Close())
}

// removeLab removes the directory of an experiment, and the containers that are
// made of it. Those are there still after an interruption only, or a step that
// failed.
func (c *cli) removeLab(dir string) error {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return err
	}
	all, err := store.List()
	if err != nil {
		return err
	}
	for _, made := range all {
		if !strings.HasPrefix(made.Rootfs, dir+"/") {
			continue
		}
		if err := store.Remove(made.ID, container.RemoveOptions{Force: true}); err != nil && !errors.Is(err, container.ErrNotFound) {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// words expands the variables of a command. A value is always one word.
func (b *bench) words(command string) []string {
	words := strings.Fields(command)
	for i, w := range words {
		words[i] = b.expand(w)
	}
	return words
}

func (b *bench) expand(text string) string {
	return os.Expand(text, func(name string) string { return b.vars[name] })
}

// labResult is what a command has printed, and its exit code.
type labResult struct {
	output string
	code   int
}

func failed(err error) labResult { return labResult{err.Error() + "\n", 1} }

// do runs a command of a step.
func (b *bench) do(ctx context.Context, words []string) labResult {
	switch words[0] {
	case "start":
		return b.start(ctx, words[1], words[2:])
	case "lives", "gone", "stop":
		j := b.jobs[words[1]]
		if j == nil {
			return failed(fmt.Errorf("%s was not started", words[1]))
		}
		return j.look(words[0])
	}
	var out bytes.Buffer
	cmd := b.command(ctx, words)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return failed(err)
	}
	return labResult{out.String(), shellCode(cmd.ProcessState)}
}

// command is this program with the arguments of gocker, or as a tool. When ctx
// ends it is killed, and what becomes of its container is for clear: a signal
// that gocker passed on would be lost on a first process that has no handler yet.
func (b *bench) command(ctx context.Context, words []string) *exec.Cmd {
	args := []string{"lab-tool", words[0]}
	// ctrl-c is for the experiment, which ends what it has started itself.
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if words[0] == "gocker" {
		args = []string{"--root", b.cli.root, "--run-root", b.cli.runRoot}
		attr.Pdeathsig = syscall.SIGTERM
	}
	cmd := exec.CommandContext(ctx, b.self, append(args, words[1:]...)...)
	cmd.Args[0] = "gocker"
	cmd.SysProcAttr = attr
	cmd.WaitDelay = time.Second // what outlives it may hold its output open
	return cmd
}

// shellCode is the exit code as a shell shows it.
func shellCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// labJob is a command that is left running.
type labJob struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start leaves a command running, and returns what it prints up to its line
// "ready", the value behind which becomes a variable.
func (b *bench) start(ctx context.Context, name string, words []string) labResult {
	r, w, err := os.Pipe()
	if err != nil {
		return failed(err)
	}
	cmd := b.command(ctx, words)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return failed(err)
	}
	j := &labJob{cmd: cmd, done: make(chan struct{})}
	b.jobs[name] = j
	b.vars[name] = fmt.Sprint(cmd.Process.Pid)
	lines, ready := &readyReader{}, make(chan labResult, 1)
	go func() {
		ready <- lines.read(r)
		_, _ = io.Copy(io.Discard, r) // a full pipe would stop it
		r.Close()
	}()
	go func() {
		_ = cmd.Wait() // its state tells how it ended
		close(j.done)
	}()
	select {
	case result := <-ready:
		b.vars[name+"_says"] = lines.value
		return result
	case <-ctx.Done():
		return failed(ctx.Err())
	case <-time.After(labPatience):
		return failed(fmt.Errorf("not ready within %v", labPatience))
	}
}

// readyReader takes lines until one begins with "ready".
type readyReader struct{ value string }

func (l *readyReader) read(r io.Reader) labResult {
	var all []byte
	buf := make([]byte, 1)
	line := 0
	for {
		n, err := r.Read(buf)
		if n == 0 && err != nil {
			return labResult{string(all), 1} // it ended before it was ready
		}
		if all = append(all, buf[:n]...); n == 0 || buf[0] != '\n' {
			continue
		}
		if rest, ok := bytes.CutPrefix(all[line:], []byte("ready")); ok {
			l.value = strings.TrimSpace(string(rest))
			return labResult{string(all), 0}
		}
		line = len(all)
	}
}

// look does "lives", "gone" or "stop".
func (j *labJob) look(what string) labResult {
	pid := j.cmd.Process.Pid
	if what == "lives" {
		select {
		case <-j.done:
			return labResult{fmt.Sprintf("process %d has ended\n", pid), 1}
		default:
			return labResult{fmt.Sprintf("process %d lives\n", pid), 0}
		}
	}
	if what == "stop" {
		if err := j.stop(); err != nil {
			return failed(err)
		}
		return labResult{}
	}
	select {
	case <-j.done:
		return labResult{fmt.Sprintf("process %d has ended: %v\n", pid, j.cmd.ProcessState), 0}
	case <-time.After(labPatience):
		return labResult{fmt.Sprintf("process %d lives\n", pid), 1}
	}
}

// stop ends a job that is there still.
func (j *labJob) stop() error {
	select {
	case <-j.done:
		return nil
	default:
	}
	_ = j.cmd.Process.Signal(syscall.SIGTERM) // it may be ending
	select {
	case <-j.done:
		return nil
	case <-time.After(labPatience):
		err := fmt.Errorf("process %d did not end when it was asked to", j.cmd.Process.Pid)
		return errors.Join(err, j.cmd.Process.Kill())
	}
}
