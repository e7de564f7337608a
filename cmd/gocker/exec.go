package main

import (
	"errors"
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

// execFlags are those of exec that the container package does not take as they
// are.
type execFlags struct {
	options     container.ExecOptions
	interactive bool
	env         createFlags // its -e and --env-file
	keys        string
	explain     explanation
}

func newExecCommand(c *cli) *cobra.Command {
	f := new(execFlags)
	cmd := &cobra.Command{
		Use:   "exec [OPTIONS] CONTAINER COMMAND [ARG...]",
		Short: "Execute a command in a running container",
		Args:  minArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			code, err := c.exec(f, args)
			if code != 0 || err != nil {
				return &exitError{code: code, err: err}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&f.options.Detach, "detach", "d", false, "Detached mode: run command in the background")
	flags.StringVar(&f.keys, "detach-keys", defaultDetachKeys, "Override the key sequence for detaching a container")
	flags.StringArrayVarP(&f.env.env, "env", "e", nil, "Set environment variables")
	flags.StringArrayVar(&f.env.envFile, "env-file", nil, "Read in a file of environment variables")
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "Keep STDIN open even if not attached")
	flags.BoolVar(&f.options.Privileged, "privileged", false, "Give extended privileges to the command")
	flags.BoolVarP(&f.options.Tty, "tty", "t", false, "Allocate a pseudo-TTY")
	flags.StringVarP(&f.options.User, "user", "u", "", "Username or UID (format: \"<name|uid>[:<group|gid>]\")")
	flags.StringVarP(&f.options.WorkingDir, "workdir", "w", "", "Working directory inside the container")
	f.explain.register(flags)
	return cmd
}

// exec returns the command's exit code, and an error to be shown.
func (c *cli) exec(f *execFlags, args []string) (int, error) {
	o := f.options
	o.Args = args[1:]
	var err error
	if o.Env, err = f.env.environment(); err != nil {
		return 125, err
	}
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return 1, err
	}
	ctr, err := store.Get(args[0])
	if err != nil {
		return 1, err
	}
	if f.explain.wanted() {
		script, err := store.ExplainExec(ctr, o)
		if err != nil {
			return 1, err
		}
		return 0, f.explain.print(c, script)
	}
	cl := new(client)
	if !o.Detach {
		var code int
		if cl, code, err = c.newClient(o.Tty, f.interactive, f.keys); err != nil {
			return code, err
		}
	}
	execution, err := store.Exec(ctr, o, cl.streams)
	if err != nil {
		cl.restore()
	}
	var failed *container.StartError
	if errors.As(err, &failed) {
		return failed.Code, withHint(err)
	}
	if err != nil {
		return 1, err
	}
	if o.Detach {
		return 0, execution.Leave()
	}
	cl.follow(execution.Resize)
	code, err := execution.Wait()
	cl.restore()
	if errors.Is(err, container.ErrDetached) {
		fmt.Fprintln(c.out, "read escape sequence")
		return 0, nil
	}
	return code, err
}
