package main

import (
	"errors"
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newUpdateCommand(c *cli) *cobra.Command {
	var f createFlags
	var explain explanation
	cmd := &cobra.Command{
		Use:   "update [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Update configuration of one or more containers",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().NFlag() == 0 {
				return errors.New("you must provide one or more flags when using this command")
			}
			to := f.limits()
			var err error
			if to.RestartPolicy, err = container.ParseRestartPolicy(f.restart); err != nil {
				return err
			}
			if err := f.sizes(&to); err != nil {
				return &exitError{code: 125, err: err}
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			if explain.wanted() {
				return c.explainUpdate(store, args, to, explain)
			}
			return c.update(store, args, to)
		},
	}
	f.registerLimits(cmd.Flags(), "")
	explain.register(cmd.Flags())
	return cmd
}

// update changes the limits of containers one after the other. What there is to
// warn of comes last, as docker has it.
func (c *cli) update(store *container.Store, names []string, to container.HostConfig) error {
	var warnings []string
	failed := false
	for _, name := range names {
		warned, err := store.Update(name, to)
		warnings = append(warnings, warned...)
		if err != nil {
			fmt.Fprintln(c.err, withHint(err))
			failed = true
			continue
		}
		fmt.Fprintln(c.out, name)
	}
	for _, w := range warnings {
		fmt.Fprintln(c.out, w)
	}
	if failed {
		return &exitError{code: 1}
	}
	return nil
}

// explainUpdate prints what an update would do.
func (c *cli) explainUpdate(store *container.Store, names []string, to container.HostConfig, e explanation) error {
	for _, name := range names {
		script, err := store.ExplainUpdate(name, to)
		if err != nil {
			return err
		}
		if err := e.print(c, script); err != nil {
			return err
		}
	}
	return nil
}
