package container

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A wall is one of the things that keep a container apart from the host. Each
// can be left out, to see what it is for: --without. A container that lacks one
// says so in its record, in its config.json and to whoever runs it.

// The walls, by what --without calls them.
const (
	wallPID     = "pid"
	wallMount   = "mount"
	wallUTS     = "uts"
	wallIPC     = "ipc"
	wallNet     = "net"
	wallCgroup  = "cgroup"
	wallLimits  = "limits"
	wallDevices = "devices"
	wallProc    = "proc"
	wallMasks   = "masks"
	wallCaps    = "caps"
	wallPivot   = "pivot_root"
	wallOverlay = "overlay"
)

// Wall is a wall's name, and what a container without it can do: the end of a
// sentence about the container.
type Wall struct{ Name, Reach string }

// Walls are all of them, in the order in which they are listed.
var Walls = []Wall{
	{wallPID, "sees every process of the host and can signal it"},
	{wallMount, "has its mounts in the host's table, for as long as it runs"},
	{wallUTS, "has the host's name, and can change it with CAP_SYS_ADMIN"},
	{wallIPC, "can use the host's System V shared memory, semaphores and queues"},
	{wallNet, "has the host's interfaces and ports, and reaches what listens on its loopback"},
	{wallCgroup, "sees the host's control groups and its own place among them"},
	{wallLimits, "can take all memory, CPU time and process numbers that the host has"},
	{wallDevices, "can open every device of the host, the disks among them"},
	{wallProc, "reads the host's /proc: the command line of every process, and more"},
	{wallMasks, "reaches what /proc and /sys tell and set of the host's kernel"},
	{wallCaps, "has every capability of the host's root"},
	{wallPivot, "can leave its chroot, and then reaches every file of the host"},
	{wallOverlay, "writes into the directory that --rootfs names"},
}

// annotation is the key in config.json under which the walls are that were left
// out. The OCI runtime spec has no word for some of them.
const annotation = "gocker.without"

// ParseWithout reads the values of --without and returns the walls in the order
// of [Walls], each once. One that can't stand without another takes it along.
func ParseWithout(values []string) ([]string, error) {
	asked := map[string]bool{}
	for _, v := range values {
		if !slices.ContainsFunc(Walls, func(w Wall) bool { return w.Name == v }) {
			return nil, fmt.Errorf("invalid argument %q for \"--without\" flag: there is no such wall: choose from %s", v, strings.Join(wallNames(), ", "))
		}
		asked[v] = true
	}
	if asked[wallMount] {
		// pivot_root(2) changes the root of the whole namespace: the host's.
		asked[wallPivot] = true
	}
	var walls []string
	for _, name := range wallNames() {
		if asked[name] {
			walls = append(walls, name)
		}
	}
	return walls, nil
}

func wallNames() []string {
	var names []string
	for _, w := range Walls {
		names = append(names, w.Name)
	}
	return names
}

// lacks reports whether a wall is left out.
func (h *HostConfig) lacks(wall string) bool { return slices.Contains(h.Without, wall) }

// Unsafe tells, a line for each wall that is left out, what the container can
// reach because of it.
func (h *HostConfig) Unsafe() []string {
	var lines []string
	for _, w := range Walls {
		if h.lacks(w.Name) {
			lines = append(lines, fmt.Sprintf("UNSAFE: without %s the container %s", w.Name, w.Reach))
		}
	}
	return lines
}

// validateWalls refuses what would harm the host, or make no sense.
func (o *Options) validateWalls() error {
	h := &o.HostConfig
	caps, all, err := parseCaps(h.CapAdd)
	if err != nil {
		return err
	}
	sysAdmin, _, err := parseCaps([]string{"SYS_ADMIN"})
	if err != nil {
		return err
	}
	mayMount := h.Privileged || h.lacks(wallCaps) || all || caps&sysAdmin != 0
	switch {
	case h.lacks(wallMount) && mayMount:
		return errors.New("--without mount: a container with CAP_SYS_ADMIN could unmount the host's filesystems: leave out --privileged, --cap-add and --without caps")
	case h.lacks(wallUTS) && o.Config.Hostname != "":
		return errors.New("conflicting options: hostname and --without uts, which leaves the container the host's name")
	case h.lacks(wallNet) && h.NetworkMode != "host":
		return fmt.Errorf("conflicting options: --network %s and --without net, which leaves the container the host's network", h.NetworkMode)
	case h.lacks(wallCaps) && len(h.CapDrop) > 0:
		return errors.New("conflicting options: --cap-drop and --without caps, which leaves the container all capabilities")
	case h.lacks(wallOverlay) && o.Rootfs == "":
		return errors.New("--without overlay: needs --rootfs: an image's layers belong to all containers, and nothing may write to them")
	}
	return nil
}

// lacks reports whether a wall was left out of the container that the spec
// describes.
func (s *Spec) lacks(wall string) bool {
	return slices.Contains(strings.Split(s.Annotations[annotation], ","), wall)
}

// has reports whether the container has a new namespace of a type.
func (s *Spec) has(t specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == t && ns.Path == "" })
}
