package main

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"

	"gocker/container"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// createFlags are the flags that describe a container, of run and create.
type createFlags struct {
	name, hostname, user, workdir   string
	entrypoint, network, rootfs     string
	pull, platform, cidfile, cpuset string
	restart                         string
	logDriver                       string
	env, envFile, volume, tmpfs     []string
	mount, label, capAdd, capDrop   []string
	ulimit, without, logOpt         []string
	memory, memorySwap, reservation string
	cpus, shmSize, stopSignal       string
	stopTimeout                     int
	cpuShares, pidsLimit            int64
	rm, interactive, tty, readOnly  bool
	privileged, quiet, init         bool
	annotation, labelFile, attach   []string
	volumesFrom                     []string
	names                           nameFlags
	isolation                       isolationFlags
	health                          healthFlags
}

func (f *createFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "name", "", "Assign a name to the container")
	flags.StringVarP(&f.hostname, "hostname", "h", "", "Container host name")
	flags.StringVarP(&f.user, "user", "u", "", "Username or UID (format: <name|uid>[:<group|gid>])")
	flags.StringVarP(&f.workdir, "workdir", "w", "", "Working directory inside the container")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "Overwrite the default ENTRYPOINT of the image")
	flags.StringVar(&f.network, "network", "bridge", "Connect a container to a network: bridge, none (loopback only), host or container:NAME")
	flags.StringVar(&f.network, "net", "bridge", "Alias of --network")
	_ = flags.MarkHidden("net")
	flags.StringVar(&f.rootfs, "rootfs", "", "Run the root file system in a directory instead of an image")
	flags.StringVar(&f.pull, "pull", "missing", "Pull image before running (\"always\", \"missing\", \"never\")")
	flags.StringVar(&f.platform, "platform", "", "Set platform if server is multi-platform capable")
	flags.StringVar(&f.cidfile, "cidfile", "", "Write the container ID to the file")
	flags.StringArrayVarP(&f.env, "env", "e", nil, "Set environment variables")
	flags.StringArrayVar(&f.envFile, "env-file", nil, "Read in a file of environment variables")
	flags.StringArrayVarP(&f.volume, "volume", "v", nil, "Bind mount a volume")
	flags.StringArrayVar(&f.volumesFrom, "volumes-from", nil, "Mount volumes from the specified container(s)")
	flags.StringArrayVar(&f.tmpfs, "tmpfs", nil, "Mount a tmpfs directory")
	flags.StringArrayVar(&f.mount, "mount", nil, "Attach a filesystem mount to the container")
	flags.StringArrayVarP(&f.label, "label", "l", nil, "Set meta data on a container")
	flags.StringArrayVar(&f.labelFile, "label-file", nil, "Read in a line delimited file of labels")
	flags.StringArrayVar(&f.annotation, "annotation", nil, "Add an annotation to the container (passed through to the OCI runtime)")
	f.names.register(flags)
	f.isolation.register(flags)
	f.health.register(flags)
	flags.StringSliceVar(&f.capAdd, "cap-add", nil, "Add Linux capabilities")
	flags.StringSliceVar(&f.capDrop, "cap-drop", nil, "Drop Linux capabilities")
	flags.StringArrayVar(&f.ulimit, "ulimit", nil, "Ulimit options")
	f.registerLimits(flags, "no")
	flags.StringVar(&f.shmSize, "shm-size", "", "Size of /dev/shm")
	flags.StringVar(&f.stopSignal, "stop-signal", "", "Signal to stop the container")
	flags.IntVar(&f.stopTimeout, "stop-timeout", 0, "Timeout (in seconds) to stop a container")
	flags.StringVar(&f.logDriver, "log-driver", "", "Logging driver for the container: json-file, local or none")
	flags.StringArrayVar(&f.logOpt, "log-opt", nil, "Log driver options")
	flags.BoolVar(&f.rm, "rm", false, "Automatically remove the container and its anonymous volumes when it exits")
	flags.StringArrayVarP(&f.attach, "attach", "a", nil, "Attach to STDIN, STDOUT or STDERR")
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "Keep STDIN open even if not attached")
	flags.BoolVarP(&f.tty, "tty", "t", false, "Allocate a pseudo-TTY")
	flags.BoolVar(&f.init, "init", false, "Run an init inside the container that forwards signals and reaps processes")
	flags.BoolVar(&f.readOnly, "read-only", false, "Mount the container's root filesystem as read only")
	flags.BoolVar(&f.privileged, "privileged", false, "Give extended privileges to this container")
	flags.StringSliceVar(&f.without, "without", nil, "UNSAFE: leave out one of the container's walls, to see what it is for: "+wallList())
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "Suppress the pull output")
}

// registerLimits are the flags that update has too, with the restart policy unless
// one is given.
func (f *createFlags) registerLimits(flags *pflag.FlagSet, restart string) {
	flags.StringVarP(&f.memory, "memory", "m", "", "Memory limit")
	flags.StringVar(&f.memorySwap, "memory-swap", "", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap")
	flags.StringVar(&f.restart, "restart", restart, "Restart policy to apply when a container exits")
	flags.StringVar(&f.reservation, "memory-reservation", "", "Memory soft limit")
	flags.StringVar(&f.cpus, "cpus", "", "Number of CPUs")
	flags.Int64VarP(&f.cpuShares, "cpu-shares", "c", 0, "CPU shares (relative weight)")
	flags.StringVar(&f.cpuset, "cpuset-cpus", "", "CPUs in which to allow execution (0-3, 0,1)")
	flags.Int64Var(&f.pidsLimit, "pids-limit", 0, "Tune container pids limit (set -1 for unlimited)")
}

// needImage checks the number of arguments, in docker's words.
func (f *createFlags) needImage(cmd *cobra.Command, args []string) error {
	if len(args) > 0 || f.rootfs != "" {
		return nil
	}
	return requiresAtLeast(cmd, 1)
}

// options turns the flags and IMAGE [COMMAND] [ARG...] into what the container
// package takes. With --rootfs there is no IMAGE.
func (f *createFlags) options(flags *pflag.FlagSet, args []string) (container.Options, error) {
	o := container.Options{Name: f.name, Rootfs: f.rootfs}
	command := args
	if f.rootfs == "" {
		command = args[1:]
	}
	if flags.Changed("entrypoint") {
		o.Entrypoint = []string{}
		if f.entrypoint != "" {
			o.Entrypoint = []string{f.entrypoint}
		}
	}
	switch f.pull {
	case "always", "missing", "never":
	default:
		return o, fmt.Errorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", f.pull)
	}
	env, err := f.environment()
	if err != nil {
		return o, err
	}
	labels, err := f.labels()
	if err != nil {
		return o, err
	}
	o.Config = container.Config{
		Hostname: f.hostname, User: f.user, WorkingDir: f.workdir,
		OpenStdin: f.interactive, Tty: f.tty, Env: env, Cmd: command, Labels: labels,
		StopSignal: f.stopSignal,
	}
	if flags.Changed("stop-timeout") {
		o.Config.StopTimeout = &f.stopTimeout
	}
	o.HostConfig = container.HostConfig{
		NetworkMode: f.network, AutoRemove: f.rm, Privileged: f.privileged, ReadonlyRootfs: f.readOnly,
		CapAdd: f.capAdd, CapDrop: f.capDrop, CpuShares: f.cpuShares, CpusetCpus: f.cpuset,
		PidsLimit: f.pidsLimit, ContainerIDFile: f.cidfile, Binds: f.volume, VolumesFrom: f.volumesFrom,
		LogConfig:   container.LogConfig{Type: f.logDriver, Config: keyValues(f.logOpt)},
		Annotations: keyValues(f.annotation),
	}
	if o.HostConfig.RestartPolicy, err = container.ParseRestartPolicy(f.restart); err != nil {
		return o, err
	}
	if flags.Changed("init") {
		o.HostConfig.Init = &f.init
	}
	if o.HostConfig.Without, err = container.ParseWithout(f.without); err != nil {
		return o, err
	}
	if slices.Contains(f.without, "net") && !flags.Changed("network") && !flags.Changed("net") {
		o.HostConfig.NetworkMode = "host"
	}
	return o, errors.Join(f.sizes(&o.HostConfig), f.mounts(&o.HostConfig), f.ulimits(&o.HostConfig), f.names.apply(&o), f.health.apply(&o), f.isolation.apply(&o.HostConfig))
}

// keyValues makes a map of KEY=VALUE or KEY.
func keyValues(list []string) map[string]string {
	m := map[string]string{}
	for _, l := range list {
		key, value, _ := strings.Cut(l, "=")
		m[key] = value
	}
	return m
}

func wallList() string {
	var names []string
	for _, w := range container.Walls {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

// limits are the limits that are plain numbers and words: see sizes for the rest.
func (f *createFlags) limits() container.HostConfig {
	return container.HostConfig{CpuShares: f.cpuShares, CpusetCpus: f.cpuset, PidsLimit: f.pidsLimit}
}

func (f *createFlags) sizes(h *container.HostConfig) error {
	for _, size := range []struct {
		flag, value string
		to          *int64
	}{
		{"memory", f.memory, &h.Memory},
		{"memory-swap", f.memorySwap, &h.MemorySwap},
		{"memory-reservation", f.reservation, &h.MemoryReservation},
		{"shm-size", f.shmSize, &h.ShmSize},
	} {
		if size.value == "" {
			continue
		}
		if size.flag == "memory-swap" && size.value == "-1" {
			*size.to = -1
			continue
		}
		n, err := units.RAMInBytes(size.value)
		if err != nil {
			return fmt.Errorf("invalid argument %q for \"--%s\" flag: %w", size.value, size.flag, err)
		}
		*size.to = n
	}
	if f.cpus == "" {
		return nil
	}
	cpus, ok := new(big.Rat).SetString(f.cpus)
	if !ok {
		return fmt.Errorf("invalid argument %q for \"--cpus\" flag: failed to parse %s as a rational number", f.cpus, f.cpus)
	}
	nano := cpus.Mul(cpus, big.NewRat(1e9, 1))
	if !nano.IsInt() {
		return fmt.Errorf("invalid argument %q for \"--cpus\" flag: value is too precise", f.cpus)
	}
	h.NanoCpus = nano.Num().Int64()
	return nil
}

func (f *createFlags) mounts(h *container.HostConfig) error {
	for _, v := range f.volume {
		m, err := container.ParseVolume(v)
		if err != nil {
			return err
		}
		h.Mounts = append(h.Mounts, m)
	}
	for _, t := range f.tmpfs {
		target, options, _ := strings.Cut(t, ":")
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[target] = options
	}
	for _, v := range f.mount {
		m, err := container.ParseMount(v)
		if err != nil {
			return err
		}
		h.Mounts = append(h.Mounts, m)
	}
	return nil
}

func (f *createFlags) ulimits(h *container.HostConfig) error {
	for _, v := range f.ulimit {
		u, err := container.ParseUlimit(v)
		if err != nil {
			return err
		}
		h.Ulimits = append(h.Ulimits, u)
	}
	return nil
}

// cidfile is the file of --cidfile; nil stands for none.
type cidfile struct {
	f       *os.File
	written bool
}

// openCidfile makes the file, before anything else is made: it must not exist.
func (f *createFlags) openCidfile() (*cidfile, error) {
	if f.cidfile == "" {
		return nil, nil
	}
	file, err := os.OpenFile(f.cidfile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("container ID file found, make sure the other container isn't running or delete %s", f.cidfile)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to create the container ID file: %w", err)
	}
	return &cidfile{f: file}, nil
}

func (c *cidfile) write(id string) error {
	if c == nil {
		return nil
	}
	if _, err := c.f.WriteString(id); err != nil {
		return fmt.Errorf("failed to write the container ID (%s) to file: %w", id, err)
	}
	c.written = true
	return nil
}

// close removes the file when no container came of it.
func (c *cidfile) close() {
	if c == nil {
		return
	}
	c.f.Close()
	if !c.written {
		os.Remove(c.f.Name())
	}
}

// requiresAtLeast is docker's error for too few arguments.
func requiresAtLeast(cmd *cobra.Command, n int) error {
	s := "s"
	if n == 1 {
		s = ""
	}
	return usageError(cmd, fmt.Sprintf("requires at least %d argument%s", n, s))
}

func usageError(cmd *cobra.Command, what string) error { return usageHint(cmd, what, "See") }

// usageHint is docker's error for wrong arguments; its last line has two forms.
func usageHint(cmd *cobra.Command, what, look string) error {
	path := cmd.CommandPath()
	return &exitError{code: 1, err: fmt.Errorf("gocker: '%s' %s\n\nUsage:  %s\n\n%s '%s --help' for more information", path, what, cmd.UseLine(), look, path)}
}

// minArgs and exactArgs check the number of arguments in docker's words.
func minArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return requiresAtLeast(cmd, n)
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageHint(cmd, "accepts no arguments", "Run")
}
