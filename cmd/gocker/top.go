package main

import (
	"fmt"
	"io"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newTopCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top CONTAINER [ps OPTIONS]",
		Short: "Display the running processes of a container",
		Args:  minArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			columns, err := psColumns(args[1:])
			if err != nil {
				return err
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			tasks, err := store.Top(args[0])
			if err != nil {
				return err
			}
			return printTasks(c.out, columns, tasks, time.Now())
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// psColumn is a column of ps(1).
type psColumn struct {
	name  string // in -o
	title string
	text  func(t container.Task, now time.Time) string
}

// psTaskColumns are those that there are; the first eight are those of ps -ef.
var psTaskColumns = []psColumn{
	{"user", "UID", func(t container.Task, _ time.Time) string { return userName(t.UID) }},
	{"pid", "PID", func(t container.Task, _ time.Time) string { return strconv.Itoa(t.Pid) }},
	{"ppid", "PPID", func(t container.Task, _ time.Time) string { return strconv.Itoa(t.Parent) }},
	{"c", "C", func(t container.Task, now time.Time) string { return strconv.Itoa(cpuPercent(t, now)) }},
	{"stime", "STIME", func(t container.Task, now time.Time) string { return startText(t.Started, now) }},
	{"tty", "TTY", func(t container.Task, _ time.Time) string { return t.TTY }},
	{"time", "TIME", func(t container.Task, _ time.Time) string { return cpuTimeText(t.Used) }},
	{"cmd", "CMD", func(t container.Task, _ time.Time) string { return taskCommand(t) }},
	{"args", "COMMAND", func(t container.Task, _ time.Time) string { return taskCommand(t) }},
	{"comm", "COMMAND", func(t container.Task, _ time.Time) string { return t.Name }},
	{"uid", "UID", func(t container.Task, _ time.Time) string { return strconv.Itoa(int(t.UID)) }},
}

// psColumns reads the options of ps: -ef, which is what there is without them, or
// -o with names of columns.
func psColumns(options []string) ([]psColumn, error) {
	full := psTaskColumns[:8]
	var chosen []psColumn
	for i := 0; i < len(options); i++ {
		option := strings.TrimLeft(options[i], "-")
		list, isList := strings.CutPrefix(strings.TrimLeft(option, "eA"), "o")
		switch {
		case !isList && strings.Trim(option, "eAf") == "":
			continue
		case !isList:
			return nil, fmt.Errorf("top: no such option of ps here: %q (there are -ef and -o)", options[i])
		case list == "" && i+1 < len(options):
			i++
			list = options[i]
		}
		for name := range strings.SplitSeq(strings.TrimPrefix(list, "="), ",") {
			at := slices.IndexFunc(psTaskColumns, func(c psColumn) bool { return c.name == name })
			if at < 0 {
				return nil, fmt.Errorf("top: no such column of ps here: %q (there are %s)", name, columnNames())
			}
			column := psTaskColumns[at]
			if name == "user" {
				column.title = "USER"
			}
			chosen = append(chosen, column)
		}
	}
	if chosen == nil {
		return full, nil
	}
	return chosen, nil
}

func columnNames() string {
	var names []string
	for _, c := range psTaskColumns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

func printTasks(out io.Writer, columns []psColumn, tasks []container.Task, now time.Time) error {
	w := tabwriter.NewWriter(out, 20, 1, 3, ' ', 0)
	line := func(text func(psColumn) string) {
		var cells []string
		for _, c := range columns {
			cells = append(cells, text(c))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	line(func(c psColumn) string { return c.title })
	for _, t := range tasks {
		line(func(c psColumn) string { return c.text(t, now) })
	}
	return w.Flush()
}

// userName is the host's name of a user, cut to eight characters as by ps.
func userName(uid uint32) string {
	number := strconv.Itoa(int(uid))
	u, err := user.LookupId(number)
	switch {
	case err != nil:
		return number
	case len(u.Username) > 8:
		return u.Username[:7] + "+"
	}
	return u.Username
}

// cpuPercent is how much of a CPU a process has used since it started.
func cpuPercent(t container.Task, now time.Time) int {
	lived := now.Sub(t.Started)
	if lived <= 0 {
		return 0
	}
	return min(99, int(100*t.Used/lived))
}

// startText is a time within the last day, else a date, else a year.
func startText(started, now time.Time) string {
	switch {
	case now.Sub(started) < 24*time.Hour:
		return started.Format("15:04")
	case started.Year() == now.Year():
		return started.Format("Jan02")
	}
	return started.Format("2006")
}

func cpuTimeText(d time.Duration) string {
	s := int(d.Seconds())
	text := fmt.Sprintf("%02d:%02d:%02d", s/3600%24, s/60%60, s%60)
	if days := s / 86400; days > 0 {
		text = fmt.Sprintf("%d-%s", days, text)
	}
	return text
}

// taskCommand is the command line, or the name of what has none.
func taskCommand(t container.Task) string {
	switch {
	case t.Zombie:
		return "[" + t.Name + "] <defunct>"
	case t.Args == nil:
		return "[" + t.Name + "]"
	}
	// One line, whatever a process has written there.
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.Join(t.Args, " "))
}
