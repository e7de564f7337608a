package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A container may be in namespaces of another one, its donor, by --pid, --ipc or
// --network container:NAME. Which process that is changes with each start of the donor: the
// path in config.json is that of the time when the container was created.

// The values of --ipc beside host and container:NAME.
const (
	ipcNone      = "none" // not even a /dev/shm
	ipcPrivate   = "private"
	ipcShareable = "shareable" // others may join
)

const modeContainer = "container:"

// donor returns the container of a mode container:NAME, "" for other modes.
func donor(mode string) string {
	name, ok := strings.CutPrefix(mode, modeContainer)
	if !ok {
		return ""
	}
	return name
}

// nameDonors puts IDs in the place of names, for a donor may be renamed, and
// returns where the namespaces are now. Those of a donor that doesn't run have the
// path of no process.
func (s *Store) nameDonors(h *HostConfig) (paths map[specs.LinuxNamespaceType]string, err error) {
	for _, j := range []struct {
		kind specs.LinuxNamespaceType
		mode *string
	}{{specs.PIDNamespace, &h.PidMode}, {specs.IPCNamespace, &h.IpcMode}, {specs.NetworkNamespace, &h.NetworkMode}} {
		name := donor(*j.mode)
		if name == "" {
			continue
		}
		d, err := s.Get(name)
		if err != nil {
			return nil, err
		}
		*j.mode = modeContainer + d.ID
		if paths == nil {
			paths = map[specs.LinuxNamespaceType]string{}
		}
		file := string(j.kind)
		if j.kind == specs.NetworkNamespace {
			file = "net"
		}
		paths[j.kind] = fmt.Sprintf("/proc/%d/ns/%s", d.State.Pid, file)
	}
	return paths, nil
}

// takeNames gives a container with the network of another one that one's names.
func (s *Store) takeNames(c *Container) error {
	d, err := s.Get(donor(c.HostConfig.NetworkMode))
	if err != nil {
		return err
	}
	if !c.HostConfig.onHost(specs.UTSNamespace) {
		c.Config.Hostname, c.Config.Domainname = d.Config.Hostname, d.Config.Domainname
	}
	return nil
}

// etcDir is where the files are that the container has: with the network of
// another one it has those of that one, too.
func (c *Container) etcDir() string {
	if id := donor(c.HostConfig.NetworkMode); id != "" {
		return filepath.Join(filepath.Dir(c.dir), id)
	}
	return c.dir
}

// joined is a process in a namespace that a container is going to be in.
type joined struct {
	kind specs.LinuxNamespaceType
	pid  int
	file *os.File // of the process, see pidfd_open(2)
}

// join opens the namespaces of other containers. Those have to run.
func (s *Store) join(c *Container, spec *Spec) ([]joined, error) {
	var all []joined
	for _, ns := range spec.Linux.Namespaces {
		if ns.Path == "" {
			continue
		}
		j, err := s.joinOne(c, ns.Type)
		if err != nil {
			closeJoined(all)
			return nil, fmt.Errorf("failed to join %s namespace: %w", strings.ToUpper(string(ns.Type)), err)
		}
		all = append(all, j)
	}
	return all, nil
}

func (s *Store) joinOne(c *Container, kind specs.LinuxNamespaceType) (joined, error) {
	mode := c.HostConfig.PidMode
	switch kind {
	case specs.IPCNamespace:
		mode = c.HostConfig.IpcMode
	case specs.NetworkNamespace:
		mode = c.HostConfig.NetworkMode
	}
	d, err := s.load(donor(mode))
	if err != nil {
		return joined{}, err
	}
	if kind == specs.IPCNamespace && d.HostConfig.IpcMode != ipcShareable {
		return joined{}, errors.New("container " + d.ID + ": non-shareable IPC (hint: use IpcMode:shareable for the donor container)") // docker's words
	}
	f, err := d.open()
	return joined{kind: kind, pid: d.State.Pid, file: f}, err
}

func closeJoined(all []joined) {
	for _, j := range all {
		j.file.Close()
	}
}

// joinSteps enter namespaces of other containers, but for PID namespaces, in
// which a process has to be born.
func (p *plans) joinSteps(all []joined) []step.Step {
	var steps []step.Step
	for _, j := range all {
		if j.kind == specs.PIDNamespace {
			p.clone.Into, p.clone.IntoPID = j.file, j.pid
			continue
		}
		steps = append(steps, step.Enter{FD: len(p.clone.Files), PID: j.pid, Flags: cloneFlags[j.kind]})
		p.clone.Files = append(p.clone.Files, j.file)
	}
	return steps
}

// shm is the /dev/shm that a container shares with others, if it does.
func (c *Container) shm() string { return filepath.Join(c.dir, "shm") }

// shmMount is /dev/shm, nil for none. That of several containers is mounted on the
// host, where each of them finds it.
func (c *Container) shmMount() *specs.Mount {
	h := &c.HostConfig
	m := specs.Mount{Destination: "/dev/shm", Type: "bind", Options: []string{"bind", "rprivate"}}
	switch mode := h.IpcMode; {
	case mode == ipcNone:
		return nil
	case mode == modeHost:
		m.Source = "/dev/shm"
	case mode == ipcShareable:
		m.Source = c.shm()
	case donor(mode) != "":
		m.Source = filepath.Join(filepath.Dir(c.dir), donor(mode), "shm")
	default:
		size := fmt.Sprintf("size=%d", h.ShmSize)
		return &specs.Mount{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", size}}
	}
	return &m
}

// sharedMemory mounts what a container shares with others that join its IPC
// namespace.
func (c *Container) sharedMemory() step.Plan {
	if c.HostConfig.IpcMode != ipcShareable {
		return nil
	}
	return step.Plan{{
		Why: "The shared memory, on the host: containers that join this one's IPC namespace have the same.",
		Man: "shm_overview(7), tmpfs(5)",
		Steps: []step.Step{
			step.Mkdir{Path: c.shm(), Mode: 0o700},
			step.Mount{
				Source: "shm", Target: c.shm(), Type: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC,
				Data: fmt.Sprintf("mode=1777,size=%d", c.HostConfig.ShmSize),
			},
		},
	}}
}
