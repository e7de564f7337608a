package main

import (
	"fmt"

	"gocker/container"
	"gocker/image"

	"github.com/spf13/cobra"
)

func newRmiCommand(c *cli) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:                   "rmi [OPTIONS] IMAGE [IMAGE...]",
		Short:                 "Remove one or more images",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			images := c.images()
			return c.each(args, func(name string) error {
				done, err := images.Remove(name, force)
				for _, d := range done {
					if d.Untagged != "" {
						c.note("untag", d.Untagged, d.Untagged)
						fmt.Fprintln(c.out, "Untagged: "+d.Untagged)
					} else {
						c.note("delete", d.Deleted, d.Deleted)
						fmt.Fprintln(c.out, "Deleted: "+d.Deleted)
					}
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Force removal of the image")
	return cmd
}

// imageUsers tells the image store which containers hold on to images and layers.
func (c *cli) imageUsers() ([]image.User, error) {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return nil, err
	}
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	var users []image.User
	for _, ctr := range all {
		users = append(users, image.User{
			ID: ctr.ID, ImageID: ctr.ImageID, ChainIDs: ctr.Layers,
			Running: ctr.State.Up(),
		})
	}
	return users, nil
}
