//go:build amd64 || arm64

package step

import "golang.org/x/sys/unix"

// cloneSharing calls clone3(2) with CLONE_VM and CLONE_VFORK in args. It returns
// twice on the same stack, in the child and then in the parent. The result is a
// pid, zero in the child, or a negative errno.
//
//go:noescape
func cloneSharing(args *cloneArgs, size uintptr) (result uintptr)

// mayShare reports whether a child with these flags may use the memory of this
// process, which is suspended meanwhile, instead of a copy: a copy costs a third
// of a millisecond, and more with every megabyte of the heap.
//
// Whoever can trace the child can then write to this process too, between the
// step that leaves the child no more power than a container has and the exec.
// So nobody in the container may see it, which a PID namespace of its own is
// for, and nobody elsewhere may trace it without CAP_SYS_PTRACE, which is what
// being undumpable means. See CVE-2016-9962 and ptrace(2), "Ptrace access mode
// checking". In a user namespace the parent has work to do before the child can
// go on.
func mayShare(flags uintptr) bool {
	if flags&unix.CLONE_NEWPID == 0 || flags&unix.CLONE_NEWUSER != 0 {
		return false
	}
	const byOwner = 1 // SUID_DUMP_USER
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return err == nil && dumpable != byOwner
}
