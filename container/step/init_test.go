package step_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocker/container/step"
)

// TestTheInitEndsAsItsCommand executes the program of [step.InitProgram], where it
// is not process 1 but asks for orphans.
func TestTheInitEndsAsItsCommand(t *testing.T) {
	program, err := step.InitProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "init")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"data": "", "no/tool": "#!/bin/sh\nexit 3\n", "tools/tool": "#!/bin/sh\nexit 4\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o755)
		if filepath.Dir(name) != "tools" {
			mode = 0o644
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("/l", 2100)
	for _, c := range []struct {
		name string
		path string // PATH, "-" for none
		args []string
		code int
		out  string
	}{
		{name: "exit code", args: []string{"/bin/sh", "-c", "exit 7"}, code: 7},
		{name: "killed by a signal", args: []string{"/bin/sh", "-c", "kill -KILL $$"}, code: 137},
		{name: "arguments and environment", args: []string{"/bin/sh", "-c", `echo "$1|$2|$X"`, "sh", "a b", ""}, out: "a b||y\n"},
		{name: "a name is looked up", path: "/no/such:" + dir + "/data:" + dir + "/tools", args: []string{"tool"}, code: 4},
		{name: "an element too long is passed over", path: long + ":" + dir + "/tools", args: []string{"tool"}, code: 4},
		{name: "the working directory is an empty element", path: "/no/such:", args: []string{"tools/../tools/tool"}, code: 4},
		{name: "what can't be executed is passed over", path: dir + "/no:" + dir + "/tools", args: []string{"tool"}, code: 4},
		{name: "what can't be executed is told", path: dir + "/no:/no/such", args: []string{"tool"}, code: 126, out: "gocker: exec of tool failed\n"},
		{name: "no such name", path: "/no/such:" + dir, args: []string{"tool"}, code: 127, out: "gocker: exec of tool failed\n"},
		{name: "a name too long", path: dir, args: []string{strings.Repeat("n", 5000)}, code: 127, out: "gocker: exec of " + strings.Repeat("n", 5000) + " failed\n"},
		{name: "no PATH", path: "-", args: []string{"tool"}, code: 127, out: "gocker: exec of tool failed\n"},
		{name: "no such file", args: []string{"./no/such"}, code: 127, out: "gocker: exec of ./no/such failed\n"},
		{name: "no program", args: []string{"./data"}, code: 126, out: "gocker: exec of ./data failed\n"},
		{name: "no command", code: 127},
		// The shell that is signalled is the init's child; each signal is given on.
		{name: "signals go to the command", args: []string{"/bin/sh", "-c", `trap 'exit 9' USR1; kill -USR1 $PPID; while :; do sleep 0.01; done`}, code: 9},
		{name: "a signal ends the command", args: []string{"/bin/sh", "-c", `kill -TERM $PPID; exec sleep 100`}, code: 143},
		{name: "nothing is blocked in the command", args: []string{"/bin/sh", "-c", `grep SigBlk /proc/self/status`}, out: "SigBlk:\t0000000000000000\n"},
		// The orphan's end leaves no child of the init but the shell.
		{name: "orphans are reaped", args: []string{"/bin/sh", "-c", `(true & echo $! >orphan); p=$(cat orphan)
			until ! [ -e /proc/$p ]; do :; done; cat /proc/$PPID/task/$PPID/children | wc -w`}, out: "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(file, append([]string{"--"}, c.args...)...)
			cmd.Dir = dir
			cmd.Env = []string{"X=y", "PATHS=/no", "PATH=" + os.Getenv("PATH")}
			switch c.path {
			case "":
			case "-":
				cmd.Env = cmd.Env[:2]
			default:
				cmd.Env[2] = "PATH=" + c.path
			}
			out, err := cmd.CombinedOutput()
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != c.code || string(out) != c.out {
				t.Errorf("exit code %d, output %q", code, out)
			}
		})
	}
}
