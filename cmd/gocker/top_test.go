package main

import (
	"strings"
	"testing"
	"time"

	"gocker/container"
)

func TestProcessesAreShownAsByPs(t *testing.T) {
	now := time.Date(2024, 5, 6, 12, 0, 0, 0, time.Local)
	tasks := []container.Task{
		{UID: 0, Pid: 10, Parent: 9, Started: now.Add(-10 * time.Second), Used: 5 * time.Second, TTY: "pts/0", Name: "sh", Args: []string{"sh", "-c", "a\nb"}},
		{UID: 4294967294, Pid: 11, Parent: 10, Started: now.AddDate(0, -1, 0), Used: 26 * time.Hour, TTY: "?", Name: "worker"},
		{UID: 0, Pid: 12, Parent: 10, Started: now.AddDate(-2, 0, 0), TTY: "?", Name: "gone", Zombie: true},
	}
	for _, test := range []struct {
		options string
		want    string
	}{
		{"", `
			UID PID PPID C STIME TTY TIME CMD
			root 10 9 50 11:59 pts/0 00:00:05 sh -c a?b
			4294967294 11 10 3 Apr06 ? 1-02:00:00 [worker]
			root 12 10 0 2022 ? 00:00:00 [gone] <defunct>`},
		{"-o pid,comm", `
			PID COMMAND
			10 sh
			11 worker
			12 gone`},
		{"-eo pid -o uid", `
			PID UID
			10 0
			11 4294967294
			12 0`},
		{"-e -o user,args", `
			USER COMMAND
			root sh -c a?b
			4294967294 [worker]
			root [gone] <defunct>`},
	} {
		columns, err := psColumns(strings.Fields(test.options))
		if err != nil {
			t.Errorf("%q: %v", test.options, err)
			continue
		}
		var out strings.Builder
		if err := printTasks(&out, columns, tasks, now); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for line := range strings.Lines(out.String()) {
			got.WriteString("\n\t\t\t" + strings.Join(strings.Fields(line), " "))
		}
		if got.String() != test.want {
			t.Errorf("%q:%s\nwant%s", test.options, got.String(), test.want)
		}
	}
	for _, options := range []string{"aux", "-o", "-o pid,nothing", "-o pid,", "--sort pid", "-u root"} {
		if _, err := psColumns(strings.Fields(options)); err == nil {
			t.Errorf("%q is accepted", options)
		}
	}
}
