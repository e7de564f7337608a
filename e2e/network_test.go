package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The suite has a network namespace of its own, so that suites that run beside
// each other don't meet at the names of bridges, at ports or at rules, and what
// gocker does to the host's network is done to nobody else's.

// machinesNetwork is the variable that tells a process of this suite that it is
// in a namespace of its own, and which descriptor is the machine's.
const machinesNetwork = "E2E_MACHINES_NETWORK"

// enterOwnNetwork executes this program again in a new network namespace, in
// which the loopback interface is up. There it returns at once.
func enterOwnNetwork() error {
	if fd, err := strconv.Atoi(os.Getenv(machinesNetwork)); err == nil {
		unix.CloseOnExec(fd)
		out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
		if err != nil {
			return fmt.Errorf("set the loopback interface up: %w\n%s", err, out)
		}
		return nil
	}
	// Exec makes of the thread that calls it the process.
	runtime.LockOSThread()
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("open the network namespace: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	env := append(os.Environ(), fmt.Sprintf("%s=%d", machinesNetwork, fd))
	return fmt.Errorf("execute the tests again: %w", syscall.Exec("/proc/self/exe", os.Args, env))
}

// inMachinesNetwork calls f, whose processes have the machine's network.
func inMachinesNetwork(f func() error) error {
	fd, err := strconv.Atoi(os.Getenv(machinesNetwork))
	if err != nil {
		return err
	}
	return inNetwork(fmt.Sprintf("/proc/self/fd/%d", fd), f)
}

// inNetwork calls f in a network namespace: what it opens and starts is there.
func inNetwork(namespace string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		fd, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- fmt.Errorf("open the network %s: %w", namespace, err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the network %s: %w", namespace, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// networkLeaks lists the interfaces and rules that have been left in the suite's
// namespace, in which there are none at first but loopback. What ends by itself
// gets a moment.
func networkLeaks() []string {
	var found []string
	_ = poll(5*time.Second, func() error {
		found = nil
		interfaces, err := net.Interfaces()
		if err != nil {
			found = append(found, err.Error())
		}
		for _, i := range interfaces {
			if i.Name != "lo" {
				found = append(found, "interface "+i.Name)
			}
		}
		tables, err := exec.Command("nft", "list", "tables").Output()
		if err != nil {
			found = append(found, fmt.Sprint("nft list tables: ", err))
		}
		for line := range strings.Lines(string(tables)) {
			found = append(found, "nftables "+strings.TrimSpace(line))
		}
		if len(found) > 0 {
			return errors.New("not yet")
		}
		return nil
	})
	return found
}
