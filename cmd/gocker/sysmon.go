package main

import (
	"os"
	"strconv"
	"syscall"
)

// calmSysmon lets the runtime's monitor thread sleep longer, by the time that the
// kernel may be late with its timers: 4 ms. That thread wakes up every 20 µs in a
// program that does something, to take the processor from a goroutine whose system
// call takes longer than that and give it to another thread. A command that makes
// a container does hundreds of calls in ten milliseconds and has nobody to give a
// processor to: so that is a hundred wakings of two threads for nothing, a
// twentieth of its CPU time. It is not for what has work for several, as a pull.
//
// Where it can't be had nothing changes. See proc_pid_timerslack_ns(5); the slack
// of another thread needs CAP_SYS_NICE.
func calmSysmon() {
	// It is the first thread that the runtime makes.
	first := strconv.Itoa(os.Getpid() + 1)
	if syscall.Access("/proc/self/task/"+first, 0) != nil {
		return // another process was as fast, and has the number
	}
	// Package os would ask its poller about the file, which costs as much again.
	fd, err := syscall.Open("/proc/"+first+"/timerslack_ns", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = syscall.Write(fd, []byte("4000000"))
	syscall.Close(fd)
}
