package step

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The three hooks with which package syscall brackets its own fork. They block
// signals around the clone, and in the child clear the handlers, which are
// code of the parent, and restore the mask. The runtime keeps them reachable
// for gVisor.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// cloneAndRun clones. In the parent it returns the child's pid, and afterFork is
// left to the caller; in the child it makes the calls, of which the last
// successful one is an execve, and never returns.
//
// Between clone and exec the child must not allocate, take a lock, grow its
// stack or be preempted: the threads that would answer are not there. So all
// it reads is prepared, and it calls assembly only. It is not instrumented for
// the race detector, whose calls would need the parent's state.
//
// A child that shares the memory uses this very frame while the parent's thread
// is suspended in the clone, unpreemptible, so that its stack stays where it is.
// Hence a frame of its own, which the parent leaves at once: of what is in it,
// only the result of the clone was written after the child was done.
//
//go:noinline
//go:norace
//go:nocheckptr
func cloneAndRun(args *cloneArgs, calls []call, pipe uintptr, rep *report) (pid uintptr, errno syscall.Errno) {
	var (
		c     *call
		i     int
		held  uintptr
		first uintptr
		r     uintptr
	)
	beforeFork()
	if args.flags&unix.CLONE_VM != 0 {
		r = cloneSharing(args, unsafe.Sizeof(*args))
		if r > ^uintptr(4095) {
			return 0, syscall.Errno(-r)
		}
		if r != 0 {
			return r, 0
		}
	} else {
		pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
		if errno != 0 || pid != 0 {
			return pid, errno
		}
	}

	afterForkInChild()
	for i = 0; i < len(calls); i++ {
		c = &calls[i]
		first = c.args[0]
		if c.onHeld {
			first = held
		}
		r, _, errno = syscall.RawSyscall6(c.nr, first, c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if errno == 0 && c.answer != nil {
			errno = syscall.Errno(-*c.answer)
		}
		if errno != 0 {
			if errno != c.tolerated[0] && errno != c.tolerated[1] && errno != c.tolerated[2] {
				break
			}
			i += c.passOver
		}
		if c.hold {
			held = r
		}
	}
	if i >= len(calls) {
		// No file of the exec's list is there.
		errno = syscall.ENOENT
	}
	rep.step = c.step
	rep.errno = uint32(errno)
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, pipe, uintptr(unsafe.Pointer(rep)), unsafe.Sizeof(*rep))
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 253, 0, 0)
	}
}
