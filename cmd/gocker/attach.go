package main

import (
	"os"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newAttachCommand(c *cli) *cobra.Command {
	var f clientFlags
	var noStdin bool
	cmd := &cobra.Command{
		Use:   "attach [OPTIONS] CONTAINER",
		Short: "Attach local standard input, output, and error streams to a running container",
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
			if err := ctr.Attachable(); err != nil {
				return err
			}
			cl, _, err := c.newClient(ctr.Config.Tty, !noStdin, f.keys)
			if err != nil {
				return err
			}
			if !ctr.Config.OpenStdin {
				cl.streams.In = nil
			}
			code, err := c.attach(store, ctr, cl, f.proxies(ctr))
			if err != nil {
				return err
			}
			if code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "Do not attach STDIN")
	return cmd
}

// attach stays with a container that runs.
func (c *cli) attach(store *container.Store, ctr *container.Container, cl *client, signals chan os.Signal) (code int, err error) {
	attachment, err := store.Attach(ctr, cl.streams)
	if err != nil {
		cl.restore()
		return 1, err
	}
	return c.stay(attachment, cl, signals)
}
