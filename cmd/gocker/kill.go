package main

import (
	"gocker/container"

	"github.com/spf13/cobra"
)

func newKillCommand(c *cli) *cobra.Command {
	var signal string
	cmd := &cobra.Command{
		Use:   "kill [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Kill one or more running containers",
		Args:  minArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			if signal == "" {
				signal = "KILL"
			}
			return c.eachAtOnce(args, func(name string) error { return store.Kill(name, signal) })
		},
	}
	cmd.Flags().StringVarP(&signal, "signal", "s", "", "Signal to send to the container")
	return cmd
}
