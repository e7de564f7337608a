package main

import (
	"errors"
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newRmCommand(c *cli) *cobra.Command {
	var o container.RemoveOptions
	var explain explanation
	cmd := &cobra.Command{
		Use:   "rm [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Remove one or more containers",
		Args:  minArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if explain.wanted() {
				store := &container.Store{Root: c.root, RunRoot: c.runRoot}
				script, err := store.ExplainRemove(args, o)
				if err != nil {
					return err
				}
				return explain.print(c, script)
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			err = c.each(args, func(name string) error {
				err := store.Remove(name, o)
				if o.Force && errors.Is(err, container.ErrNotFound) {
					fmt.Fprintln(c.err, err)
					return nil
				}
				if err == nil {
					fmt.Fprintln(c.out, name)
				}
				return err
			})
			return errors.Join(err, store.SweepNetwork())
		},
	}
	cmd.Flags().BoolVarP(&o.Force, "force", "f", false, "Force the removal of a running container (uses SIGKILL)")
	cmd.Flags().BoolVarP(&o.Volumes, "volumes", "v", false, "Remove anonymous volumes associated with the container")
	explain.register(cmd.Flags())
	return cmd
}

// each does something with every argument. It goes on after a failure, which
// it prints, and then ends with exit code 1.
func (c *cli) each(args []string, do func(string) error) error {
	failed := false
	for _, arg := range args {
		if err := do(arg); err != nil {
			fmt.Fprintln(c.err, err)
			failed = true
		}
	}
	if failed {
		return &exitError{code: 1}
	}
	return nil
}
