package main

import (
	"errors"
	"fmt"
	"os"

	"gocker/cgroup"
	"gocker/container"
	"gocker/container/step"
	"gocker/layers"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// newStepCommand makes the command that a printed plan calls for what sh has no
// word for, and for the host's tools where they can't be reached. It is for those
// scripts, and not shown.
func newStepCommand(*cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:    "step LINE...",
		Short:  "Do one step of a container's plan",
		Hidden: true,
		Long: `Do one step of a container's plan, as 'gocker run --explain' prints it.

LINE is a line of mount, umount, pivot_root, mkdir, mknod, ln, rm, chown or ip in
the form in which a plan has it, or one of gocker's own: move_mount, touch, write.
Before it may stand what changes the process that does it: chroot, env --chdir,
umask, prlimit, setsid, setpriv, close_range, open_tree, write_fd. A command after
these, or after env -i, is executed.`,
		Args:               minArgs(1),
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			plan, err := step.Read(args, os.Environ())
			if err != nil {
				return err
			}
			return stepError(plan.Become())
		},
	}
	cmd.AddCommand(newDeviceFilterCommand(), newUpperCommand(), newMakeVolumeCommand(), newMakeInitCommand())
	return cmd
}

// stepError gives a command that can't be executed the exit code that a shell
// gives it.
func stepError(err error) error {
	var failed *step.Error
	if !errors.As(err, &failed) {
		return err
	}
	command, ok := failed.Step.(step.Exec)
	if !ok {
		return err
	}
	code := 126
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		code = 127
	}
	return &exitError{code: code, err: fmt.Errorf("gocker step: exec %q: %w", command.Args[0], failed.Err)}
}

func newDeviceFilterCommand() *cobra.Command {
	cmd := &cobra.Command{
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
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newUpperCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "make-upper DIR LAYER",
		Short: "Make a container's writable layer",
		Long: `Make a container's writable layer: a directory with the owner, mode, times and
attributes of the uppermost layer below it, which the container's root then has.`,
		Args:                  minArgs(2),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return layers.Stack(args[1:]).MakeUpper(args[0])
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newMakeVolumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "make-volume DIR AT PATH LAYER [LAYER...]",
		Short: "Make a volume and fill it from an image",
		Long: `Make a volume, unless it is there, and fill one that is empty with what the image
has at PATH. The layers, the uppermost first, are mounted AT an empty directory to
look at them, where nobody else sees it. Without a PATH, "", it stays empty.`,
		Args:                  minArgs(4),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return container.MakeVolume{Dir: args[0], At: args[1], Path: args[2], Lower: args[3:]}.Do()
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newMakeInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "make-init FILE",
		Short:                 "Write the program that --init makes a container's first process",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return container.MakeInit{Path: args[0]}.Do()
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}
