package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newTagCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Short: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
		Args:  exactArgs(2),
		RunE:  func(_ *cobra.Command, args []string) error { return c.images().Tag(args[0], args[1]) },
	}
}

func newSaveCommand(c *cli) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "save [OPTIONS] IMAGE [IMAGE...]",
		Short: "Save one or more images to a tar archive (streamed to STDOUT by default)",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.toFile(output, func(w io.Writer) error { return c.images().Save(cmd.Context(), args, w) })
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Write to a file, instead of STDOUT")
	return cmd
}

func newExportCommand(c *cli) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "export [OPTIONS] CONTAINER",
		Short: "Export a container's filesystem as a tar archive",
		Args:  exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			return c.toFile(output, func(w io.Writer) error { return store.Export(args[0], w) })
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Write to a file, instead of STDOUT")
	return cmd
}

// toFile writes a file whole or not at all, or, without a name, to the output.
func (c *cli) toFile(name string, write func(io.Writer) error) (err error) {
	if name == "" {
		if isTerminal(c.out) {
			return errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect")
		}
		return write(c.out)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("invalid output path: %q must be a regular file", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".gocker-")
	if err != nil {
		return fmt.Errorf("invalid output path: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
