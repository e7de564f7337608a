// Package cgroup turns the limits of a container into steps, and reads back
// what the container used.
//
// Words: a control group ("cgroup", here a [Group]) is a set of processes that
// the kernel accounts for and limits together. Groups form a tree, which is a
// directory tree of a mounted filesystem: mkdir makes a group, a write to one of
// its files sets a limit, rmdir removes it. A controller is the part of the
// kernel behind one resource: memory, cpu, cpuset, pids, devices. A hierarchy
// is one such tree.
//
// Version 2 has a single hierarchy for all controllers. Version 1 has one for
// each, or for several mounted together (cpu,cpuacct), and named ones without a
// controller. On a hybrid host both are mounted, and each controller is in one
// of them. A [Host] says what this machine has, and each limit goes where its
// controller is. A limit that can't be had is an error that names it.
//
// Use: Open looks at the host, [Host.Group] plans a container's group from the
// OCI resources, and then in this order
//
//	plan   g.Plan()     the monitor: directories and limits
//	join   g.V2Dir()    the directory for CLONE_INTO_CGROUP (version 2)
//	       g.Join()     the child, before it leaves the host's mounts (version 1)
//	inside g.Mounts()   the child, in its own mount and cgroup namespaces
//	end    g.Kill(), g.Events(), then the plan's Undo
//
// See cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the
// kernel, and config-linux.md of the OCI runtime specification.
package cgroup

import "errors"

// ErrNoSwapLimit says that a memory+swap limit was asked for on a kernel that
// does not account swap. Docker drops the limit with a warning; a caller that
// wants the same clears Memory.Swap and plans again.
var ErrNoSwapLimit = errors.New("the kernel does not account swap (boot with swapaccount=1)")
