package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bounds of the tools that take something: whatever they are asked for,
// they take no more.
const (
	hogMost   = 256 // MB
	burstMost = 200 // processes
)

func bounded(arg string, most int) (int, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", arg, most)
	}
	return n, nil
}

// hogTool takes as many MB of memory as it is told, and writes to each page.
func hogTool(c *cli, args []string) error {
	want, err := bounded(argument(args, 0), hogMost)
	if err != nil {
		return err
	}
	const each = 32
	for have := 0; have < want; have += each {
		block, err := unix.Mmap(-1, 0, each<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return fmt.Errorf("mmap: %w", err)
		}
		for i := 0; i < len(block); i += os.Getpagesize() {
			block[i] = 1
		}
		fmt.Fprintf(c.out, "%d MB\n", have+each)
	}
	return nil
}

// burstTool makes as many processes as it is told, counts and ends them.
func burstTool(c *cli, args []string) error {
	want, err := bounded(argument(args, 0), burstMost)
	if err != nil {
		return err
	}
	pids := make([]uintptr, want)
	made, errno := burst(pids)
	if errno != 0 {
		return fmt.Errorf("%d of %d, then: %w", made, want, errno)
	}
	fmt.Fprintf(c.out, "%d of %d processes\n", made, want)
	return nil
}

// burst makes a process for each element, which waits in the kernel, until that
// refuses; then it ends all. It makes raw system calls only. For the children
// that is because the threads of Go's runtime are not there; for the parent,
// because with no process left to be had the runtime could not start another
// thread, and would end the program.
//
//go:norace
//go:nosplit
func burst(pids []uintptr) (made int, errno syscall.Errno) {
	for made < len(pids) {
		pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if e != 0 {
			errno = e
			break
		}
		if pid == 0 {
			for {
				// No descriptors and no end: it waits to be killed.
				_, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
			}
		}
		pids[made] = pid
		made++
	}
	for _, pid := range pids[:made] {
		_, _, _ = syscall.RawSyscall(unix.SYS_KILL, pid, uintptr(unix.SIGKILL), 0)
		_, _, _ = syscall.RawSyscall6(unix.SYS_WAIT4, pid, 0, 0, 0, 0, 0)
	}
	return made, errno
}

// escapeTool leaves a chroot and prints a file that lies outside. Its working
// directory is above the second root, and so no root ends the way up.
func escapeTool(c *cli, args []string) error {
	const inner = "/tmp/inner"
	if err := os.Mkdir(inner, 0o755); err != nil {
		return err
	}
	if err := unix.Chroot(inner); err != nil {
		return fmt.Errorf("chroot %s: %w", inner, err)
	}
	for range 100 {
		if err := os.Chdir(".."); err != nil {
			return err
		}
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot .: %w", err)
	}
	return catTool(c, []string{filepath.Clean(argument(args, 0))})
}

const shmSize = 4096

// shmKeepTool keeps a word in a segment of System V shared memory. It is marked
// to be removed while the process is still attached: so it goes with it, however
// that ends. See shmctl(2), IPC_RMID.
func shmKeepTool(c *cli, args []string) error {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, shmSize, unix.IPC_CREAT|0o600)
	if err != nil {
		return fmt.Errorf("shmget: %w", err)
	}
	memory, err := unix.SysvShmAttach(id, 0, 0)
	_, removed := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	if err := errors.Join(err, removed); err != nil {
		return err
	}
	copy(memory, argument(args, 0))
	return waitReady(c, strconv.Itoa(id))
}

// shmReadTool prints the word in a segment.
func shmReadTool(c *cli, args []string) error {
	id, err := strconv.Atoi(argument(args, 0))
	if err != nil {
		return err
	}
	memory, err := unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
	if err != nil {
		return fmt.Errorf("shmat: %w", err)
	}
	defer func() { _ = unix.SysvShmDetach(memory) }()
	fmt.Fprintln(c.out, unix.BytePtrToString((*byte)(unsafe.Pointer(&memory[0]))))
	return nil
}
