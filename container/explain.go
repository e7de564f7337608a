package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// ExplainRun returns what running a container as o says would do, as a script:
// the host plan, the clone, the inside plan, and the host plan taken back. It
// changes nothing; the id is made up for the occasion.
func (s *Store) ExplainRun(o Options) (*step.Script, error) {
	c, spec, _, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	if err := s.foreseePlace(c); err != nil {
		return nil, err
	}
	h, err := lookAtHost()
	if err != nil {
		return nil, err
	}
	if h.joined, err = s.join(c, spec); err != nil {
		return nil, err
	}
	defer closeJoined(h.joined)
	p, err := c.plans(spec, h, nil)
	if err != nil {
		return nil, err
	}
	defer p.close()
	return c.runScript(p)
}

// ExplainCreate returns what creating a container as o says would do.
func (s *Store) ExplainCreate(o Options) (*step.Script, error) {
	c, _, _, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return &step.Script{
		Title:  "What 'gocker create' does for this container, step by step. Run by root, the lines make the same files, of which gocker knows nothing: what is left out is its record, its state and its config.json.",
		Gocker: program,
		Host:   files,
	}, nil
}

// ExplainExec returns what executing a command in a running container would do.
func (s *Store) ExplainExec(c *Container, o ExecOptions) (*step.Script, error) {
	into, err := c.open()
	if err != nil {
		return nil, err
	}
	defer into.Close()
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	if spec, err = c.execSpec(spec, &o); err != nil {
		return nil, err
	}
	terminal := spec.Process.Terminal
	spec.Process.Terminal = false
	p, err := c.execPlans(spec, into)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	join := p.group.Join()
	if dir := p.group.V2Dir(); dir != "" {
		join = append(join, step.Write{Path: filepath.Join(dir, "cgroup.procs"), Data: "0"})
	}
	// The rest of the plan, after what the shell has done.
	score := oomSteps(spec)
	inside := step.Plan{{Steps: p.inside.Steps()[len(p.group.Join())+len(score):]}}
	join = append(join, score...)
	why := "Enter the container's namespaces, give up power, and become the command: all by one process, because the namespaces hold no tools."
	if terminal {
		why += whyNoTerminal
	}
	return &step.Script{
		Title:  "What 'gocker exec' does in this container, step by step. Gocker makes the requests to the kernel itself; the lines have the same effect. Run by root, with util-linux and gocker, they execute the same command.",
		Gocker: program,
		Host: step.Plan{
			{Why: "Enter the container's control groups, so that the command is counted and limited with the others.", Man: "cgroups(7)", Steps: join},
			{Why: why, Man: "setns(2), capabilities(7), credentials(7)", Steps: []step.Step{becomeInside{
				PID: c.State.Pid, Namespace: p.clone.Into != nil, Gocker: program, Plan: inside,
			}}},
		},
	}, nil
}

// runScript is a container from its creation to its end.
func (c *Container) runScript(p *plans) (*step.Script, error) {
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	script, err := c.script(p)
	if err != nil {
		return nil, err
	}
	script.Host = append(files, script.Host...)
	return script, nil
}

// ExplainStart returns what starting a container would do, from its start to its
// end. It changes nothing.
func (s *Store) ExplainStart(c *Container) (*step.Script, error) {
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	if err := s.foreseePlace(c); err != nil {
		return nil, err
	}
	h, err := lookAtHost()
	if err != nil {
		return nil, err
	}
	if h.joined, err = s.join(c, spec); err != nil {
		return nil, err
	}
	defer closeJoined(h.joined)
	p, err := c.plans(spec, h, nil)
	if err != nil {
		return nil, err
	}
	defer p.close()
	script, err := c.script(p)
	if err != nil {
		return nil, err
	}
	if c.endpoint != nil {
		hosts, err := c.hosts()
		if err != nil {
			return nil, err
		}
		script.Host = append(step.Plan{{
			Why:   "The container's own name, with the address that it is going to have.",
			Man:   "hosts(5)",
			Steps: []step.Step{step.Write{Path: filepath.Join(c.dir, "hosts"), Data: string(hosts)}},
		}}, script.Host...)
	}
	script.Title = "What 'gocker start' does for this container, step by step. Gocker makes the requests to the kernel itself; the lines have the same effect. Run by root, with util-linux, iproute2, nftables and coreutils, they start the same container; gocker takes it for one that doesn't run: what is left out is its state, its log and its monitor."
	return script, nil
}

// script is a container from its start to its end.
func (c *Container) script(p *plans) (*step.Script, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	clone := p.clone
	script := &step.Script{
		Title:  "What 'gocker run' does for this container, step by step. Gocker makes the requests to the kernel itself; the lines have the same effect. Run by root, with util-linux, iproute2, nftables and coreutils, they make the same container, of which gocker knows nothing: what is left out is its record, its log and its monitor.",
		Gocker: program,
		Host:   append(p.bridgePlan(), p.host...),
		Clone:  &clone,
		Born:   p.born(),
		Inside: p.inside,
		Input:  c.Config.OpenStdin,
		End:    c.ending(p),
	}
	return script, nil
}

// born is how a shell gets to where the clone is born.
func (p *plans) born() step.Plan {
	dir := p.group.V2Dir()
	if dir == "" {
		return nil
	}
	return step.Plan{{
		Why:   "Enter the group of version 2. Gocker's clone is born in it, by CLONE_INTO_CGROUP, for which unshare has no option.",
		Man:   "clone(2)",
		Steps: []step.Step{step.Write{Path: filepath.Join(dir, "cgroup.procs"), Data: "0"}},
	}}
}

// files is the container's directory as steps, for the printed plan: gocker
// itself makes it in Go, with its records.
func (c *Container) files() (step.Plan, error) {
	mkdir := func(name string, mode uint32) step.Step {
		return step.Mkdir{Path: filepath.Join(c.dir, name), Mode: mode}
	}
	steps := []step.Step{
		step.MkdirAll{Path: filepath.Dir(c.dir)},
		mkdir("", 0o710),
		holdDir{Path: c.dir},
		mkdir("work", 0o755),
		mkdir("rootfs", 0o755),
		makeUpper{Dir: c.upper(), Layer: c.lowerStack()[0]},
	}
	files, err := c.etcFiles()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		steps = append(steps, step.Write{Path: filepath.Join(c.dir, f.name), Data: string(f.data)})
	}
	if file := c.HostConfig.ContainerIDFile; file != "" {
		steps = append(steps, step.Write{Path: file, Data: c.ID})
	}
	plan := step.Plan{{
		Why:   "The container's own directory: what it will write, and three files that take the place of the image's. It is locked: the next gocker takes one without a record for rubbish.",
		Man:   "hosts(5), resolv.conf(5), flock(2)",
		Steps: steps,
	}}
	if c.HostConfig.hasInit() {
		plan = append(plan, step.Group{
			Why:   "The program that is going to be the first process: it starts the command, gives it the signals that it gets itself, and reaps what others leave.",
			Man:   "wait(2), pid_namespaces(7)",
			Steps: []step.Step{MakeInit{Path: c.initFile()}},
		})
	}
	var sources []step.Step
	for i, m := range c.Mounts {
		switch {
		case m.Type == "volume":
			v := MakeVolume{Dir: filepath.Dir(m.Source), At: c.rootfs(), Path: m.Destination, Lower: c.lowerStack()}
			if c.asked(i).NoCopy || m.Borrowed || m.Device != "" {
				v.Path = ""
			}
			sources = append(sources, v)
		case m.Type == "bind" && c.asked(i).CreateSource:
			if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) {
				sources = append(sources, step.MkdirAll{Path: m.Source})
			}
		}
	}
	if sources != nil {
		plan = append(plan, step.Group{
			Why:   "Directories of -v that are missing, and volumes. One that is empty is given what the image has in its place.",
			Man:   "mkdir(1)",
			Steps: sources,
		})
	}
	return plan, nil
}

// ending is what the monitor does when the command has ended.
func (c *Container) ending(p *plans) step.Plan {
	var plan step.Plan
	if p.clone.Flags&unix.CLONE_NEWPID == 0 {
		plan = append(plan, step.Group{
			Why:   "With its first process the other processes of a PID namespace end. This container has none: they are found by their group.",
			Man:   "pid_namespaces(7)",
			Steps: []step.Step{p.group.KillStep()},
		})
	}
	plan = append(plan, step.Group{
		Why:   "The command has ended. Take back what was done on the host, last step first; the mounts and the rest have gone with the namespaces.",
		Man:   "namespaces(7)",
		Steps: inverse(p.host),
	})
	if c.HostConfig.AutoRemove {
		plan = append(plan, c.removing(c.ownVolumes()))
	}
	return plan
}

// inverse is a plan taken back, as steps.
func inverse(p step.Plan) []step.Step {
	var back []step.Step
	steps := p.Steps()
	for i := len(steps) - 1; i >= 0; i-- {
		if s := steps[i].Undo(); s != nil {
			back = append(back, s)
		}
	}
	return back
}

// ownVolumes are the directories of the volumes that go with --rm.
func (c *Container) ownVolumes() []string {
	var dirs []string
	for _, m := range c.Mounts {
		if m.Type == "volume" && m.Anonymous && !m.Borrowed {
			dirs = append(dirs, filepath.Dir(m.Source))
		}
	}
	return dirs
}

// removing is what is deleted with a container and some volumes.
func (c *Container) removing(volumes []string) step.Group {
	var steps []step.Step
	for _, v := range volumes {
		steps = append(steps, removeAll{v})
	}
	return step.Group{
		Why: "Remove the container: first its record, without which the rest is rubbish, then what it has written. The mount point goes before, which fails while something is mounted there.",
		Man: "rm(1)",
		Steps: append(steps,
			step.Rmdir{Path: c.rootfs()},
			step.Unlink{Path: filepath.Join(c.dir, "record.json")},
			step.Unlink{Path: filepath.Join(c.dir, "name")},
			removeAll{c.dir},
		),
	}
}
