package container

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Task is one process of a container as ps(1) shows it.
type Task struct {
	UID     uint32 // effective
	Pid     int    // on the host
	Parent  int
	Started time.Time
	Used    time.Duration // time of a CPU
	TTY     string        // "pts/0", "?" without one
	Name    string        // of the program
	Args    []string      // nil of a process that has none, or no more
	Zombie  bool
}

// Top returns the processes of a running container, by their numbers.
func (s *Store) Top(name string) ([]Task, error) {
	c, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	if c.State.Status != Running {
		return nil, notRunning(c)
	}
	group, err := c.group()
	if err != nil {
		return nil, err
	}
	pids, err := group.Procs()
	if err != nil {
		return nil, err
	}
	slices.Sort(pids)
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	var all []Task
	for _, pid := range pids {
		t, err := readTask(pid, boot)
		if errors.Is(err, errEnded) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// bootTime is when the clock of process starts was zero. See clock_gettime(2).
func bootTime() (time.Time, error) {
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return time.Time{}, fmt.Errorf("time since the boot: %w", err)
	}
	return time.Now().Add(-time.Duration(since.Nano())), nil
}

func readTask(pid int, boot time.Time) (Task, error) {
	p, err := openProc(pid, 0)
	if err != nil {
		return Task{}, err
	}
	defer p.close()
	t := Task{Pid: pid}
	stat, err := p.read("stat")
	if err != nil {
		return t, errEnded
	}
	if err := t.parseStat(stat, boot); err != nil {
		return t, err
	}
	status, err := p.status()
	if err != nil {
		return t, err
	}
	t.UID = status.uid
	cmdline, err := p.read("cmdline")
	t.Args = parseCmdline(cmdline)
	return t, err
}

// tick is the unit of times in /proc: USER_HZ is 100 on all machines.
const tick = time.Second / 100

// parseStat reads /proc/<pid>/stat. The second field, the name, may hold
// anything, so fields are counted from its end. See proc_pid_stat(5).
func (t *Task) parseStat(stat []byte, boot time.Time) error {
	begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	const first, last = 3, 22 // numbers of the fields after the name
	if begin < 0 || end < begin || len(fields) <= last-first {
		return errors.New("proc stat: too few fields")
	}
	t.Name = string(stat[begin+1 : end])
	t.Zombie = string(fields[0]) == "Z"
	var err error
	number := func(field int) int64 {
		n, nerr := strconv.ParseInt(string(fields[field-first]), 10, 64)
		err = errors.Join(err, nerr)
		return n
	}
	t.Parent = int(number(4))
	t.TTY = terminalName(uint32(number(7)))
	t.Used = time.Duration(number(14)+number(15)) * tick
	t.Started = boot.Add(time.Duration(number(22)) * tick)
	return err
}

// terminalName names a terminal by its device number. See tty(4) and the kernel's
// devices.txt.
func terminalName(dev uint32) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	switch {
	case dev == 0:
		return "?"
	case major >= 136 && major <= 143:
		return fmt.Sprintf("pts/%d", (major-136)<<8+minor)
	case major == 4 && minor < 64:
		return fmt.Sprintf("tty%d", minor)
	case major == 4:
		return fmt.Sprintf("ttyS%d", minor-64)
	case major == 5 && minor == 1:
		return "console"
	}
	return fmt.Sprintf("%d:%d", major, minor)
}
