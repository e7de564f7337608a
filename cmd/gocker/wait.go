package main

import (
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newWaitCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "wait CONTAINER [CONTAINER...]",
		Short: "Block until one or more containers stop, then print their exit codes",
		Args:  minArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			return c.each(args, func(name string) error {
				code, err := store.Wait(name)
				if err == nil {
					fmt.Fprintln(c.out, code)
				}
				return err
			})
		},
	}
}
