package main

import (
	"gocker/container"

	"github.com/spf13/cobra"
)

func newRestartCommand(c *cli) *cobra.Command {
	var f stopFlags
	cmd := &cobra.Command{
		Use:   "restart [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Restart one or more containers",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			o := f.options(cmd.Flags())
			return c.eachAtOnce(args, func(name string) error {
				monitor, err := store.Restart(name, o)
				if monitor == nil {
					return withHint(err)
				}
				return monitor.Leave()
			})
		},
	}
	f.register(cmd.Flags())
	return cmd
}
