package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"gocker/cgroup"
	"gocker/container"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newInfoCommand(c *cli) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:                   "info [OPTIONS]",
		Short:                 "Display system-wide information",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			info, err := c.info()
			if err != nil {
				return err
			}
			if format != "" {
				return printOne(c.out, format, info)
			}
			info.print(c.out)
			for _, w := range info.Warnings {
				fmt.Fprintln(c.err, w)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Format output: json, or a Go template")
	return cmd
}

// systemInfo is what info tells. The fields that docker has too bear its names,
// DockerRootDir among them: scripts ask for it.
type systemInfo struct {
	Containers        int
	ContainersRunning int
	ContainersPaused  int
	ContainersStopped int
	Images            int
	Driver            string
	DriverStatus      [][2]string
	CgroupVersion     string // "1" or "2", empty where no cgroup can be had
	CgroupHybrid      bool   // version 2 is mounted beside version 1
	CgroupControllers []string
	KernelVersion     string
	OperatingSystem   string
	OSType            string
	Architecture      string
	NCPU              int
	MemTotal          uint64 // bytes
	DockerRootDir     string
	RunRoot           string
	Name              string
	ServerVersion     string
	Warnings          []string
}

func (c *cli) info() (*systemInfo, error) {
	i := &systemInfo{
		Driver: storageDriver, OSType: runtime.GOOS, NCPU: runtime.NumCPU(),
		DockerRootDir: c.root, RunRoot: c.runRoot, ServerVersion: version,
	}
	if err := errors.Join(i.addObjects(c), i.addCgroups(), i.addMachine()); err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(c.root, &fs); err != nil {
		return nil, fmt.Errorf("statfs %s: %w", c.root, err)
	}
	i.DriverStatus = [][2]string{{"Backing Filesystem", filesystemName(fs.Type)}}
	if fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		i.warn(c.root + " lies on an overlay, which can't hold the writable layer of another: give --root a directory of a disk or a tmpfs")
	}
	return i, nil
}

func (i *systemInfo) warn(what string) { i.Warnings = append(i.Warnings, "WARNING: "+what) }

// addObjects counts containers and images.
func (i *systemInfo) addObjects(c *cli) error {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return err
	}
	all, err := store.List()
	if err != nil {
		return err
	}
	i.Containers = len(all)
	for _, ctr := range all {
		switch {
		case ctr.State.Paused:
			i.ContainersPaused++
		case ctr.State.Status == container.Running:
			i.ContainersRunning++
		}
	}
	i.ContainersStopped = i.Containers - i.ContainersRunning - i.ContainersPaused // docker counts created ones so too
	images, err := c.images().List()
	if err != nil {
		i.warn(err.Error()) // one damaged image hides no other fact
	}
	i.Images = len(images)
	return nil
}

// cgroupLimits are what a container can be held within, and the controllers behind it.
var cgroupLimits = []struct{ controller, words string }{
	{"memory", "memory limit"},
	{"cpu", "cpu shares and cpu cfs quota"},
	{"cpuset", "cpuset"},
	{"pids", "pids limit"},
}

// addCgroups tells which limits this host can set, and warns of those it can't.
func (i *systemInfo) addCgroups() error {
	host, err := cgroup.Open()
	if err != nil {
		return err
	}
	v1, v2 := host.Versions()
	i.CgroupHybrid = v1 && v2
	switch {
	case v1:
		i.CgroupVersion = "1"
	case v2:
		i.CgroupVersion = "2"
	}
	i.CgroupControllers = host.Controllers()
	for _, l := range cgroupLimits {
		if !slices.Contains(i.CgroupControllers, l.controller) {
			i.warn("No " + l.words + " support")
		}
	}
	if !host.SwapLimit() {
		i.warn("No swap limit support")
	}
	return nil
}

// addMachine tells about kernel, distribution and hardware.
func (i *systemInfo) addMachine() error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	i.KernelVersion = unix.ByteSliceToString(uts.Release[:])
	i.Architecture = unix.ByteSliceToString(uts.Machine[:])
	i.Name = unix.ByteSliceToString(uts.Nodename[:])
	var mem unix.Sysinfo_t
	if err := unix.Sysinfo(&mem); err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	i.MemTotal = mem.Totalram * uint64(mem.Unit)
	i.OperatingSystem = "unknown"
	// The order of os-release(5).
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		name, err := parseOSName(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if name != "" {
			i.OperatingSystem = name
		}
		break
	}
	return nil
}

// parseOSName returns PRETTY_NAME of an os-release(5) file, "" if it has none.
func parseOSName(r io.Reader) (string, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		value, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "PRETTY_NAME=")
		if !ok {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		return strings.NewReplacer(`\"`, `"`, `\$`, `$`, "\\`", "`", `\\`, `\`).Replace(value), nil
	}
	return "", lines.Err()
}

// filesystemName is the name of a filesystem by its number in statfs(2): docker's
// name where it has one, else the number.
func filesystemName(magic int64) string {
	for _, f := range filesystems {
		if f.magic == magic {
			return f.name
		}
	}
	return "0x" + strconv.FormatInt(magic, 16)
}

var filesystems = []struct {
	magic int64
	name  string
}{
	{unix.EXT4_SUPER_MAGIC, "extfs"},
	{unix.XFS_SUPER_MAGIC, "xfs"},
	{unix.BTRFS_SUPER_MAGIC, "btrfs"},
	{unix.TMPFS_MAGIC, "tmpfs"},
	{unix.OVERLAYFS_SUPER_MAGIC, "overlayfs"},
	{unix.RAMFS_MAGIC, "ramfs"},
	{unix.F2FS_SUPER_MAGIC, "f2fs"},
	{unix.NFS_SUPER_MAGIC, "nfs"},
	{0x2fc12fc1, "zfs"},
}

func (i *systemInfo) print(w io.Writer) {
	cgroups := i.CgroupVersion
	if i.CgroupHybrid {
		cgroups += " (hybrid)"
	}
	for _, line := range []struct {
		name  string
		value any
	}{
		{"Containers", i.Containers},
		{" Running", i.ContainersRunning},
		{" Paused", i.ContainersPaused},
		{" Stopped", i.ContainersStopped},
		{"Images", i.Images},
		{"Gocker Version", i.ServerVersion},
		{"Storage Driver", i.Driver},
		{" Backing Filesystem", i.DriverStatus[0][1]},
		{"Cgroup Version", cgroups},
		{"Cgroup Controllers", strings.Join(i.CgroupControllers, " ")},
		{"Kernel Version", i.KernelVersion},
		{"Operating System", i.OperatingSystem},
		{"OSType", i.OSType},
		{"Architecture", i.Architecture},
		{"CPUs", i.NCPU},
		{"Total Memory", units.BytesSize(float64(i.MemTotal))},
		{"Name", i.Name},
		{"Gocker Root Dir", i.DockerRootDir},
		{"Gocker Run Root", i.RunRoot},
	} {
		fmt.Fprintf(w, "%s: %v\n", line.name, line.value)
	}
}
