package main

import (
	"gocker/container"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// stopFlags are those of stop and restart.
type stopFlags struct {
	signal  string
	timeout int
}

func (f *stopFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.signal, "signal", "s", "", "Signal to send to the container")
	flags.IntVarP(&f.timeout, "timeout", "t", 0, "Seconds to wait before killing the container")
	flags.IntVar(&f.timeout, "time", 0, "Seconds to wait before killing the container")
	_ = flags.MarkHidden("time") // the older name
}

func (f *stopFlags) options(flags *pflag.FlagSet) container.StopOptions {
	o := container.StopOptions{Signal: f.signal}
	if flags.Changed("timeout") || flags.Changed("time") {
		o.Timeout = &f.timeout
	}
	return o
}

func newStopCommand(c *cli) *cobra.Command {
	var f stopFlags
	cmd := &cobra.Command{
		Use:   "stop [OPTIONS] CONTAINER [CONTAINER...]",
		Short: "Stop one or more running containers",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			o := f.options(cmd.Flags())
			return c.eachAtOnce(args, func(name string) error { return store.Stop(name, o) })
		},
	}
	f.register(cmd.Flags())
	return cmd
}
