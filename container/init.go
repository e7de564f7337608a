package container

import (
	"fmt"
	"os"
	"path/filepath"

	"gocker/container/step"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// With --init the container's first process is not the command but a program
// that starts it, see [step.InitProgram]. It is a file of the container's
// directory, bound to where docker has its own: so it is a mount and an argument
// of config.json like any other.

const initPath = "/sbin/docker-init"

// hasInit reports whether somebody has asked for it.
func (h *HostConfig) hasInit() bool { return h.Init != nil && *h.Init }

// initFile is the program on the host.
func (c *Container) initFile() string { return filepath.Join(c.dir, "init") }

func (c *Container) initMount() specs.Mount {
	return specs.Mount{Destination: initPath, Type: "bind", Source: c.initFile(), Options: []string{"bind", "rprivate", "ro"}}
}

// command is what the container's first process executes.
func (c *Container) command() []string {
	args := append([]string{c.Path}, c.Args...)
	if c.HostConfig.hasInit() {
		args = append([]string{initPath, "--"}, args...)
	}
	return args
}

// MakeInit writes the program of --init.
type MakeInit struct{ Path string }

// Shell prints a call of gocker itself, which is where the program is.
func (s MakeInit) Shell() string { return gockerStep("make-init", s.Path) }

// Do writes the file.
func (s MakeInit) Do() error {
	program, err := step.InitProgram()
	if err != nil {
		return fmt.Errorf("make %s: %w", s.Path, err)
	}
	return os.WriteFile(s.Path, program, 0o755)
}

// Undo is nil: the file goes with the container's directory.
func (s MakeInit) Undo() step.Step { return nil }
