package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

func TestAStartThatFailedHasDockersCodeAndWords(t *testing.T) {
	failed := func(s step.Step, err error) error {
		return fmt.Errorf("start: %w", &step.Error{Index: 3, Total: 4, Step: s, Err: err})
	}
	inPath := step.Exec{Files: []string{"/usr/bin/tool", "/bin/tool"}, Args: []string{"tool"}}
	inOne := step.Exec{Files: []string{"/bin/tool"}, Args: []string{"tool"}}
	direct := step.Exec{Files: []string{"/bin/tool"}, Args: []string{"/bin/tool"}}
	for _, c := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"not in the PATH", failed(inPath, unix.ENOENT), 127, `step 3 of 4: exec: "tool": executable file not found in $PATH`},
		{"not in a PATH of one directory", failed(inOne, unix.ENOENT), 127, `exec: "tool": executable file not found in $PATH`},
		{"no such file", failed(direct, unix.ENOENT), 127, `step 3 of 4: exec: "/bin/tool": no such file or directory`},
		{"a file on the way", failed(direct, unix.ENOTDIR), 127, `exec: "/bin/tool": not a directory`},
		{"no right", failed(inPath, unix.EACCES), 126, `exec: "tool": permission denied`},
		{"no program", failed(direct, unix.ENOEXEC), 126, `exec: "/bin/tool": exec format error`},
		{"too long", failed(direct, unix.E2BIG), 126, `exec: "/bin/tool": argument list too long`},
		{"another step's ENOENT", failed(step.Chdir{Path: "/x"}, unix.ENOENT), 125, "step 3 of 4: cd /x: no such file or directory"},
		{"no step", errors.New("disk full"), 125, "disk full"},
		{"a missing file of gocker's own", os.ErrNotExist, 125, "file does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := startCode(c.err); got != c.code {
				t.Errorf("code %d, want %d", got, c.code)
			}
			container := new(Container)
			if exec := execFailed(c.err); exec != nil {
				container.Path = exec.Args[0]
			}
			got := startMessage(container, c.err)
			if !strings.Contains(got, c.want) {
				t.Errorf("message %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheStartTimeIsFoundBehindAnyCommand(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 424242 1000 2 18446744073709551615\n"
	for _, c := range []struct {
		stat string
		want uint64
		ok   bool
	}{
		{"7 (sleep)" + rest, 424242, true},
		{"7 (a b)" + rest, 424242, true},
		{"7 (a) S 1 2)" + rest, 424242, true},
		{"7 ())" + rest, 424242, true},
		{"7 (\n)" + rest, 424242, true},
		{"7 ()" + rest, 424242, true},
		{"", 0, false},
		{"7 sleep" + rest, 0, false},
		{"7 (sleep) S 1 2", 0, false},
		{"7 (sleep) S 1 2 3 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 soon 1000", 0, false},
	} {
		got, err := parseStartTime([]byte(c.stat))
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q: %d, %v", c.stat, got, err)
		}
	}
	if own, err := startTime(os.Getpid()); err != nil || own == 0 {
		t.Errorf("of this process: %d, %v", own, err)
	}
}
