package main

import (
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newCreateCommand(c *cli) *cobra.Command {
	f := new(createFlags)
	var explain explanation
	cmd := &cobra.Command{
		Use:   "create [OPTIONS] IMAGE [COMMAND] [ARG...]",
		Short: "Create a new container",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.needImage(cmd, args); err != nil {
				return err
			}
			opts, err := f.options(cmd.Flags(), args)
			if err != nil {
				return &exitError{code: 125, err: fmt.Errorf("gocker: %w\n\nRun 'gocker create --help' for more information", err)}
			}
			// Who starts it may attach to all that it has.
			if err := f.attachTo(&opts.Config, false); err != nil {
				return &exitError{code: 125, err: err}
			}
			if explain.wanted() {
				return c.explain(explain, opts, args, (*container.Store).ExplainCreate)
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			ctr, err := c.createContainer(cmd.Context(), store, f, opts, args)
			if err == nil {
				fmt.Fprintln(c.out, ctr.ID)
			}
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	f.register(cmd.Flags())
	explain.register(cmd.Flags())
	cmd.Flags().Bool("help", false, "Print usage") // -h is the host name, as in docker
	return cmd
}
