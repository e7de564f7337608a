package main

import (
	"os"

	"gocker/container"

	"golang.org/x/sys/unix"
)

// The monitor's descriptors, given by whoever starts it.
const (
	monitorClient = 3
	monitorStdin  = 4
)

// runMonitor is what this program does as the process beside a container. It
// is not for users and no cobra command: there is one form of it, made by
// container.Store.Launch, and a monitor keeps in memory what it has built.
func runMonitor(args []string) (isMonitor bool, err error) {
	if len(args) != 7 || args[1] != "--root" || args[3] != "--run-root" || args[5] != "monitor" {
		return false, nil
	}
	store := &container.Store{Root: args[2], RunRoot: args[4]}
	client := inherited(monitorClient)
	if client == nil {
		return false, nil
	}
	return true, store.Monitor(args[6], client, inherited(monitorStdin))
}

// inherited returns an open socket or pipe as a file that is not passed on, nil
// when there is none.
func inherited(fd int) *os.File {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	unix.CloseOnExec(fd)
	if unix.SetNonblock(fd, true) != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "inherited")
}
