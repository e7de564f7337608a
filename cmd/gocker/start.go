package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gocker/container"

	"github.com/spf13/cobra"
)

// startFlags are those of start.
type startFlags struct {
	attach, interactive bool
	all                 bool // those that a boot has ended
	client              clientFlags
	explain             explanation
}

func newStartCommand(c *cli) *cobra.Command {
	var f startFlags
	cmd := &cobra.Command{
		Use:   "start [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Start one or more stopped containers",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.all {
				return noArgs(cmd, args)
			}
			return minArgs(1)(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			if f.all {
				if args, err = afterBoot(store); err != nil || len(args) == 0 {
					return err
				}
			}
			switch {
			case f.explain.wanted():
				return c.explainStart(store, args, f.explain)
			case !f.attach && !f.interactive:
				return c.startDetached(store, args)
			case len(args) > 1:
				return errors.New("you cannot start and attach multiple containers at once")
			}
			return c.startAttached(store, args[0], f)
		},
	}
	cmd.Flags().BoolVarP(&f.attach, "attach", "a", false, "Attach STDOUT/STDERR and forward signals")
	cmd.Flags().BoolVar(&f.all, "all", false, "Start all that don't run and whose restart policy wants them to, as after a boot")
	cmd.Flags().BoolVarP(&f.interactive, "interactive", "i", false, "Attach container's STDIN")
	f.client.registerKeys(cmd.Flags())
	f.client.proxy = true
	f.explain.register(cmd.Flags())
	return cmd
}

// afterBoot are the names of the containers that a boot should start, the oldest
// first.
func afterBoot(store *container.Store) ([]string, error) {
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, ctr := range slices.Backward(all) {
		starts, err := ctr.StartsAfterBoot()
		if err != nil {
			return nil, err
		}
		if starts {
			names = append(names, ctr.Name)
		}
	}
	return names, nil
}

// startDetached starts containers one after the other. Those that run already are
// started.
func (c *cli) startDetached(store *container.Store, names []string) error {
	var failed []string
	for _, name := range names {
		ctr, err := store.Get(name)
		var monitor *container.Monitor
		if err == nil {
			monitor, err = store.Start(ctr, container.Streams{})
		}
		if err == nil {
			err = monitor.Leave()
		}
		if err != nil && !errors.Is(err, container.ErrRunning) {
			fmt.Fprintln(c.err, withHint(err))
			failed = append(failed, name)
			continue
		}
		fmt.Fprintln(c.out, name)
	}
	if failed != nil {
		return fmt.Errorf("Error: failed to start containers: %s", strings.Join(failed, ", ")) // docker's words
	}
	return nil
}

// startAttached starts a container and stays with it, as run does; with one that
// runs already, as attach does.
func (c *cli) startAttached(store *container.Store, name string, f startFlags) error {
	ctr, err := store.Get(name)
	if err != nil {
		return err
	}
	cl, _, err := c.newClient(ctr.Config.Tty, f.interactive && ctr.Config.OpenStdin, f.client.keys)
	if err != nil {
		return err
	}
	signals := f.client.proxies(ctr)
	code, err := c.foreground(store, ctr, cl, signals)
	if errors.Is(err, container.ErrRunning) {
		code, err = c.attach(store, ctr, cl, signals)
	}
	if err != nil {
		return err
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// explainStart prints what a start would do.
func (c *cli) explainStart(store *container.Store, names []string, e explanation) error {
	for _, name := range names {
		ctr, err := store.Get(name)
		if err != nil {
			return err
		}
		script, err := store.ExplainStart(ctr)
		if err != nil {
			return err
		}
		if err := e.print(c, script); err != nil {
			return err
		}
	}
	return nil
}
