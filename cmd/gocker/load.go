package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newLoadCommand(c *cli) *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:   "load [OPTIONS]",
		Short: "Load an image from a tar archive or STDIN",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := c.in
			if input != "" {
				f, err := os.Open(input)
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			} else if f, ok := c.in.(*os.File); ok && isTerminal(f) {
				return errors.New("requested load from stdin, but stdin is empty")
			}
			ctx, caught := untilSignal(cmd.Context())
			loaded, err := c.images().Load(ctx, in)
			if sig := caught(); sig != 0 && err != nil {
				return &exitError{code: 128 + int(sig), err: errors.New("load interrupted")}
			}
			for _, l := range loaded {
				for _, name := range l.Names {
					fmt.Fprintln(c.out, "Loaded image: "+name.Familiar())
				}
				if len(l.Names) == 0 {
					fmt.Fprintln(c.out, "Loaded image ID: "+l.ID)
				}
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "Read from tar archive file, instead of STDIN")
	cmd.Flags().BoolP("quiet", "q", false, "Suppress the load output (there is no progress to suppress)")
	return cmd
}
