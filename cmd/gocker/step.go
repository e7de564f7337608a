package main

import (
	"gocker/cgroup"

	"github.com/spf13/cobra"
)

// newStepCommand makes the command that a printed plan calls for what sh has no
// word for. It is for those scripts, and not shown.
func newStepCommand(*cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:    "step COMMAND",
		Short:  "Do one step of a container's plan",
		Hidden: true,
		Args:   minArgs(1),
		RunE:   func(cmd *cobra.Command, args []string) error { return unknownCommand(cmd, args[0]) },
	}
	filter := &cobra.Command{
		Use:   "device-filter DIR RULE [RULE...]",
		Short: "Limit the devices of a control group of version 2",
		Long: `Limit the devices of a control group of version 2, which has no file for that.

DIR is the group's directory. Each RULE is in the syntax of devices.allow of
version 1, and a later one wins: "c 1:3 rwm" allows, "!c 1:3 rwm" denies, "a"
allows everything. What no rule allows is denied.`,
		Args:                  minArgs(2),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return cgroup.DeviceFilter{Dir: args[0], Rules: args[1:]}.Do()
		},
	}
	filter.Flags().SetInterspersed(false)
	cmd.AddCommand(filter)
	return cmd
}
