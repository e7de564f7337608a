package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// patience is how long a script waits for what has to happen. The emulated
// machine of the vm lane is some twenty times slower than a real one.
func patience() time.Duration {
	if shared.lane == "vm" {
		return time.Minute
	}
	return 20 * time.Second
}

// run runs a command that may not hang: a script that waits for ever would take
// the results of all others along.
func run(ts *testscript.TestScript, args []string) error {
	seconds := strconv.Itoa(int(3 * patience() / time.Second))
	return ts.Exec("timeout", append([]string{"--foreground", "-k", "5", seconds}, args...)...)
}

// commands are described in the package's comment.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"gocker":     runGocker,
	"exit":       exitsWith,
	"capture":    capture,
	"waitfor":    waitFor,
	"json":       compareJSON,
	"background": startJob,
	"signal":     signalJob,
	"finish":     finishJob,
	"debian":     pushDebian,
}

func runGocker(ts *testscript.TestScript, neg bool, args []string) {
	err := run(ts, append([]string{"gocker"}, args...))
	if neg != (err != nil) {
		ts.Fatalf("gocker %s: %v", strings.Join(args, " "), orSuccess(err))
	}
}

func exitsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(run(ts, args[1:])); got != want {
		ts.Fatalf("%s: exit status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// exitCode is what a shell would show: 128+n for a death by signal n, and -1 for
// a command that could not be started.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return -1
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func orSuccess(err error) string {
	if err == nil {
		return "unexpected success"
	}
	return err.Error()
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: capture NAME COMMAND...")
	}
	ts.Check(run(ts, args[1:]))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: [!] waitfor COMMAND...")
	}
	err := poll(patience(), func() error {
		err := run(ts, args)
		if neg && err == nil {
			return errors.New("still succeeds")
		}
		if neg {
			return nil
		}
		return err
	})
	if err != nil {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
}

func compareJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] json PATH VALUE")
	}
	jq := exec.Command("jq", "-rc", args[0])
	jq.Stdin = strings.NewReader(ts.ReadFile("stdout"))
	var stderr bytes.Buffer
	jq.Stderr = &stderr
	out, err := jq.Output()
	if err != nil {
		ts.Fatalf("jq %s: %v: %s", args[0], err, stderr.String())
	}
	got := strings.TrimSuffix(string(out), "\n")
	if neg == (got == args[1]) {
		ts.Fatalf("%s is %s; given %s", args[0], got, args[1])
	}
}

// jobs are the background commands of a script, by name.
type jobs map[string]*job

type jobsKey struct{}

type job struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	done           chan error
}

func startJob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: background NAME COMMAND...")
	}
	program := args[1]
	if program == "gocker" {
		program = ts.Getenv("GOCKER")
	}
	j := &job{cmd: exec.Command(program, args[2:]...), done: make(chan error, 1)}
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	j.cmd.Dir = ts.MkAbs(".")
	j.cmd.Env = environ(ts)
	// A pipe that a monitor has inherited would keep Wait from returning.
	j.cmd.WaitDelay = 5 * time.Second
	ts.Check(j.cmd.Start())
	go func() { j.done <- j.cmd.Wait() }()
	ts.Value(jobsKey{}).(jobs)[args[0]] = j
	ts.Defer(func() { j.cmd.Process.Kill() })
}

// environ is the script's environment as far as commands need it.
func environ(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"PATH", "HOME", "GOCKER_ROOT", "GOCKER_RUN_ROOT", "REGISTRY", "WORK"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

func findJob(ts *testscript.TestScript, name string) *job {
	j := ts.Value(jobsKey{}).(jobs)[name]
	if j == nil {
		ts.Fatalf("no background command %q", name)
	}
	return j
}

func signalJob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME SIGNAL")
	}
	signal := unix.SignalNum("SIG" + strings.TrimPrefix(args[1], "SIG"))
	if signal == 0 {
		ts.Fatalf("no signal %q", args[1])
	}
	ts.Check(findJob(ts, args[0]).cmd.Process.Signal(signal))
}

func finishJob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: finish NAME STATUS")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	j := findJob(ts, args[0])
	select {
	case err = <-j.done:
	case <-time.After(patience()):
		ts.Fatalf("%s has not ended within %v\n%s%s", args[0], patience(), j.stdout.String(), j.stderr.String())
	}
	fmt.Fprint(ts.Stdout(), j.stdout.String())
	fmt.Fprint(ts.Stderr(), j.stderr.String())
	if got := exitCode(err); got != want {
		ts.Fatalf("%s: exit status %d (%v), want %d\n%s%s", args[0], got, err, want, j.stdout.String(), j.stderr.String())
	}
}

// pushDebian puts debian into the registry for the scripts that need more than
// busybox.
func pushDebian(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(shared.pushDebian())
	ts.Logf("debian from %s", filepath.Join(shared.cache, "debian"))
}
