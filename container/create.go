package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gocker/container/quickjson"
	"gocker/layers"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Create makes a container that is ready to start: its directory, its name,
// its record and spec. Warnings are for the user: what was asked for and had to
// be taken back. On an error nothing is left.
func (s *Store) Create(o Options) (c *Container, warnings []string, err error) {
	c, spec, warnings, err := s.prepare(o)
	if err != nil {
		return nil, nil, err
	}
	release, err := s.claim(c, o.Name)
	if err != nil {
		return nil, nil, err
	}
	defer release.Close()
	if err := c.write(spec); err != nil {
		return nil, nil, errors.Join(err, s.discard(c))
	}
	s.note(c, "create")
	return c, warnings, nil
}

// prepare works a container out and changes nothing.
func (s *Store) prepare(o Options) (c *Container, spec *Spec, warnings []string, err error) {
	if err := o.validate(); err != nil {
		return nil, nil, nil, err
	}
	conf, err := o.config()
	if err != nil {
		return nil, nil, nil, err
	}
	if o.ID == "" {
		o.ID = NewID()
	}
	c = s.handle(o.ID)
	c.Created = time.Now().UTC()
	c.Config, c.HostConfig = conf, o.HostConfig
	argv := append(append([]string{}, conf.Entrypoint...), conf.Cmd...)
	c.Path, c.Args = argv[0], argv[1:]
	if o.Image != nil {
		c.Image, c.ImageID, c.Layers, c.Platform = o.Image.Name, o.Image.ID, o.Image.Layers, o.Image.Platform
	}
	if o.Rootfs != "" {
		if c.Rootfs, err = rootfsDir(o.Rootfs); err != nil {
			return nil, nil, nil, err
		}
	}
	warnings = append(c.HostConfig.Unsafe(), clampUlimits(c.HostConfig.Ulimits)...)
	more, err := c.complete()
	if err != nil {
		return nil, nil, nil, err
	}
	warnings = append(warnings, more...)
	if c.Mounts, err = s.mountPoints(c); err != nil {
		return nil, nil, nil, err
	}
	donated, err := s.nameDonors(&c.HostConfig)
	if err != nil {
		return nil, nil, nil, err
	}
	if donated[specs.NetworkNamespace] != "" {
		if err := s.takeNames(c); err != nil {
			return nil, nil, nil, err
		}
	}
	u, err := findUser(conf.User, c.HostConfig.GroupAdd, c.lowerStack())
	if err != nil {
		return nil, nil, nil, err
	}
	if spec, err = c.spec(u); err != nil {
		return nil, nil, nil, err
	}
	for i, ns := range spec.Linux.Namespaces {
		spec.Linux.Namespaces[i].Path = donated[ns.Type]
	}
	c.made = spec
	return c, spec, warnings, nil
}

func rootfsDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("--rootfs: %w", err)
	}
	// The kernel resolves links of a lowerdir once, at the mount; a record
	// that names the real directory says the same later.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", fmt.Errorf("--rootfs: %w", err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", fmt.Errorf("--rootfs: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("--rootfs: %s: not a directory", abs)
	}
	return abs, nil
}

// complete fills in the defaults that depend on the host.
func (c *Container) complete() (warnings []string, err error) {
	h := &c.HostConfig
	if c.Config.Hostname == "" {
		c.Config.Hostname = c.ShortID()
		if h.NetworkMode == "host" || h.onHost(specs.UTSNamespace) {
			if c.Config.Hostname, err = os.Hostname(); err != nil {
				return nil, fmt.Errorf("host name: %w", err)
			}
		}
	}
	h.LogConfig.Type = h.LogConfig.name()
	if h.LogConfig.Config == nil {
		h.LogConfig.Config = map[string]string{}
	}
	if h.ShmSize == 0 {
		h.ShmSize = 64 << 20
	}
	if !h.Privileged && !h.lacks(wallMasks) && !slices.Contains(h.SecurityOpt, noMasks) {
		h.MaskedPaths, h.ReadonlyPaths = append(thermalPaths(), maskedPaths...), readonlyPaths
	}
	return h.completeLimits()
}

// lowerStack is what the container's root is made of, before it has written.
func (c *Container) lowerStack() layers.Stack {
	if c.Rootfs != "" {
		return layers.Stack{c.Rootfs}
	}
	if len(c.Layers) == 0 {
		// An overlay needs something below; the empty mount point will do.
		return layers.Stack{c.rootfs()}
	}
	store := layers.Store{Dir: c.layersDir}
	return store.Stack(c.Layers)
}

// claim makes the container's directory with its name in it. While the file it
// returns is open the directory is locked, so that nobody takes a container
// without a record for rubbish.
func (s *Store) claim(c *Container, name string) (*os.File, error) {
	all, err := lock(s.dir(), true)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	if name == "" {
		for name = randomName(); s.byName(ids, name) != ""; {
			name = randomName() + fmt.Sprint(len(ids))
		}
	} else if id := s.byName(ids, name); id != "" {
		return nil, nameTaken(name, id)
	}
	if err := os.Mkdir(c.dir, 0o710); err != nil {
		return nil, fmt.Errorf("create container: %w", err)
	}
	mine, err := lock(c.dir, true)
	if err == nil {
		err = os.Symlink(name, filepath.Join(c.dir, "name"))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create container: %w", err), removeTree(c.dir))
	}
	c.Name = name
	return mine, nil
}

// write makes the container's files. The record comes last: with it the
// directory is a container.
func (c *Container) write(spec *Spec) error {
	for _, d := range []string{filepath.Join(c.dir, "work"), c.rootfs()} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	if err := c.lowerStack().MakeUpper(c.upper()); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	files, err := c.etcFiles()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := newFile(filepath.Join(c.dir, f.name), f.data, false); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	if c.HostConfig.hasInit() {
		if err := (MakeInit{Path: c.initFile()}).Do(); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	if err := c.makeSources(); err != nil {
		return err
	}
	durable := !c.HostConfig.AutoRemove
	c.State = State{Status: Created}
	for _, f := range []struct {
		name string
		v    any
	}{{"state.json", &c.State}, {"config.json", spec}} {
		if err := newFile(filepath.Join(c.dir, f.name), quickjson.Append(nil, f.v), durable); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	return writeJSON(c.recordPath(), &c.Record, durable)
}
