package container

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Image is what a container needs of an image.
type Image struct {
	Name     string // as the user gave it
	ID       string // digest of the configuration
	Platform string
	Config   v1.Config
	Layers   []string // chain IDs, bottom to top
}

// Options are what `gocker run` and `gocker create` ask for.
type Options struct {
	ID     string // from [NewID], "" for a new one
	Name   string // "" for one that is made up
	Image  *Image // nil with Rootfs
	Rootfs string // a directory that serves as the image

	// Config holds what the user said; what is left empty comes from the image.
	Config     Config
	HostConfig HostConfig
	// Entrypoint takes the place of the image's, with its command; nil leaves
	// the image's, an empty list means none.
	Entrypoint []string
}

// validate checks what can be checked without looking at the host, in docker's
// words.
func (o *Options) validate() error {
	h := &o.HostConfig
	switch {
	case o.Name != "" && !validName(o.Name):
		return invalidName(o.Name)
	case !slices.Contains([]string{"none", "host", modeBridge}, h.NetworkMode) && donor(h.NetworkMode) == "":
		return fmt.Errorf("network %s not found", h.NetworkMode)
	case h.ShmSize < 0:
		return errors.New("SHM size can not be less than 0")
	case o.Config.WorkingDir != "" && !path.IsAbs(o.Config.WorkingDir):
		return fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", o.Config.WorkingDir)
	case o.Config.StopSignal != "" && !validSignal(o.Config.StopSignal):
		return fmt.Errorf("invalid signal: %s", o.Config.StopSignal)
	case len(o.Config.Hostname) > 64:
		return fmt.Errorf("invalid hostname %q: longer than 64 bytes", o.Config.Hostname)
	}
	if _, err := h.LogConfig.limits(); err != nil {
		return err
	}
	if h.AutoRemove && h.RestartPolicy.active() {
		return errors.New("conflicting options: cannot specify both --restart and --rm")
	}
	for _, check := range []func() error{h.RestartPolicy.validate, h.validateLimits, o.Config.Healthcheck.validate, h.validateSecurityOpt, o.validateNamespaces} {
		if err := check(); err != nil {
			return err
		}
	}
	if _, mine := h.Annotations[annotation]; mine {
		return fmt.Errorf("annotation %s: it is gocker's own: say --without", annotation)
	}
	seen := map[string]bool{}
	for _, m := range h.Mounts {
		target := path.Clean(m.Target)
		switch {
		case !path.IsAbs(m.Target):
			return fmt.Errorf("invalid mount config for type %q: invalid mount path: '%s' mount path must be absolute", m.Type, m.Target)
		case target == "/":
			return errors.New("invalid volume specification: invalid specification: destination can't be '/'")
		case seen[target]:
			return fmt.Errorf("Duplicate mount point: %s", target)
		}
		seen[target] = true
	}
	return o.validateWalls()
}

// validName reports whether a name is one of docker's: a letter or digit, then
// at least one more of these, '_', '.' or '-'.
func validName(name string) bool {
	for i, r := range name {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return len(name) > 1
}

// config returns the container's configuration: what the user said on top of
// what the image says, by docker's rules.
func (o *Options) config() (Config, error) {
	c := o.Config
	var image v1.Config
	if o.Image != nil {
		image = o.Image.Config
		c.Image = o.Image.Name
	}
	c.Entrypoint = image.Entrypoint
	if o.Entrypoint != nil {
		c.Entrypoint = o.Entrypoint
	}
	// A new entrypoint makes the image's arguments meaningless.
	if len(c.Cmd) == 0 && o.Entrypoint == nil {
		c.Cmd = image.Cmd
	}
	if len(c.Entrypoint)+len(c.Cmd) == 0 {
		return c, errors.New("no command specified")
	}
	if c.User == "" {
		c.User = image.User
	}
	if c.WorkingDir == "" {
		c.WorkingDir = image.WorkingDir
	}
	if c.StopSignal == "" {
		c.StopSignal = image.StopSignal
	}
	c.Env = mergeEnv(image.Env, c.Env)
	labels := maps.Clone(image.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, c.Labels)
	c.Labels = labels
	c.Healthcheck = c.Healthcheck.withImage(image.Healthcheck)
	if len(image.Volumes) > 0 {
		c.Volumes = maps.Clone(image.Volumes)
	}
	return c, nil
}

// mergeEnv returns base with the variables of over in the place of those of
// the same name, new ones at the end.
func mergeEnv(base, over []string) []string {
	out := slices.Clone(base)
	for _, v := range over {
		name, _, _ := strings.Cut(v, "=")
		i := slices.IndexFunc(out, func(s string) bool {
			have, _, _ := strings.Cut(s, "=")
			return have == name
		})
		if i >= 0 {
			out[i] = v
		} else {
			out = append(out, v)
		}
	}
	return out
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what the command sees: docker's variables, then the image's
// and the user's.
func environment(c *Config, hostname, home string) []string {
	env := []string{defaultPath, "HOSTNAME=" + hostname}
	if c.Tty {
		env = append(env, "TERM=xterm")
	}
	env = mergeEnv(env, c.Env)
	// A name without "=" takes a variable away.
	env = slices.DeleteFunc(env, func(v string) bool { return !strings.Contains(v, "=") })
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
		env = append(env, "HOME="+home)
	}
	return env
}
