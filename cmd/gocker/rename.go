package main

import (
	"errors"
	"fmt"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newRenameCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "rename CONTAINER NEW_NAME",
		Short: "Rename a container",
		Args:  exactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[1] == "" {
				return errors.New("new name cannot be blank")
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			if err := store.Rename(args[0], args[1]); err != nil {
				return fmt.Errorf("failed to rename container: %w", err)
			}
			return nil
		},
	}
}
