package main

import (
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newDiffCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "diff CONTAINER",
		Short: "Inspect changes to files or directories on a container's filesystem",
		Args:  exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			ctr, err := store.Get(args[0])
			if err != nil {
				return err
			}
			changes, err := ctr.Changes()
			if err != nil {
				return err
			}
			for _, change := range changes {
				fmt.Fprintf(c.out, "%c %s\n", change.Kind, change.Path)
			}
			return nil
		},
	}
}
