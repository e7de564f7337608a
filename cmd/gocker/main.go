// A command ends before the runtime's look at the CPU limit of its cgroup, at
// the start and then now and again, would have paid off.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command gocker does docker's main jobs without a daemon: it pulls images,
// unpacks their layers and starts commands in new namespaces.
//
// This package reads flags, makes one library call a verb and prints. One file
// holds one verb.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// version is stamped by the Makefile with -ldflags -X.
var version = "dev"

// cli is what every verb is given: where things are and where to print.
type cli struct {
	root    string // images, layers, containers: what survives a boot
	runRoot string // locks and sockets: what a boot ends

	in       io.Reader
	out, err io.Writer
}

// exitError carries docker's exit code up to main. An empty message prints
// nothing: the verb has said it already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() {
	if is, err := runMonitor(os.Args); is {
		if err != nil {
			os.Exit(1) // the client and the container's state tell why
		}
		return
	}
	// What a container gets of gocker is for its users to read, whatever the
	// umask of whoever types the command.
	syscall.Umask(0o022)
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(c.run(os.Args[1:]))
}

// run executes one command line and returns the exit code.
func (c *cli) run(args []string) int {
	root := newRootCommand(c, args)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	code := 1
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
		err = exit.err
	}
	if err != nil {
		fmt.Fprintln(c.err, err)
	}
	return code
}

// verbs are the commands. Only those that the command line names are made: with
// their flags, all of them cost more time than most take to run.
var verbs = []struct {
	name string
	new  func(*cli) *cobra.Command
}{
	{"attach", newAttachCommand},
	{"commit", newCommitCommand},
	{"container", newContainerCommand},
	{"cp", newCpCommand},
	{"create", newCreateCommand},
	{"diff", newDiffCommand},
	{"explain", newExplainCommand},
	{"events", newEventsCommand},
	{"exec", newExecCommand},
	{"export", newExportCommand},
	{"history", newHistoryCommand},
	{"image", newImageCommand},
	{"images", newImagesCommand},
	{"import", newImportCommand},
	{"info", newInfoCommand},
	{"inspect", newInspectCommand},
	{"kill", newKillCommand},
	{"lab", newLabCommand},
	{"lab-tool", newLabToolCommand},
	{"load", newLoadCommand},
	{"logs", newLogsCommand},
	{"pause", newPauseCommand},
	{"ps", newPsCommand},
	{"pull", newPullCommand},
	{"rename", newRenameCommand},
	{"restart", newRestartCommand},
	{"rm", newRmCommand},
	{"rmi", newRmiCommand},
	{"run", newRunCommand},
	{"save", newSaveCommand},
	{"start", newStartCommand},
	{"stats", newStatsCommand},
	{"step", newStepCommand},
	{"stop", newStopCommand},
	{"system", newSystemCommand},
	{"tag", newTagCommand},
	{"top", newTopCommand},
	{"unpause", newUnpauseCommand},
	{"update", newUpdateCommand},
	{"version", newVersionCommand},
	{"volume", newVolumeCommand},
	{"wait", newWaitCommand},
}

func newRootCommand(c *cli, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "gocker [OPTIONS] COMMAND",
		Short:         "Run containers without a daemon",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs, // of commands that there aren't
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		DisableFlagsInUseLine: true,
	}
	root.Flags().SetInterspersed(false)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.PersistentFlags().StringVar(&c.root, "root", envOr("GOCKER_ROOT", "/var/lib/gocker"), "directory for images, layers and containers")
	root.PersistentFlags().StringVar(&c.runRoot, "run-root", envOr("GOCKER_RUN_ROOT", "/run/gocker"), "directory for locks and sockets, emptied by a boot")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exitError{code: 125, err: fmt.Errorf("%w\n\nUsage:  %s\n\nRun '%s --help' for more information", err, cmd.UseLine(), cmd.CommandPath())}
	})
	for _, v := range verbs {
		if slices.Contains(args, v.name) {
			root.AddCommand(v.new(c))
		}
	}
	if !root.HasSubCommands() {
		// For help, completion, aliases and errors all of them are needed.
		for _, v := range verbs {
			root.AddCommand(v.new(c))
		}
	}
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true // docker says [OPTIONS]
		if len(args) > 0 && slices.Contains(completing, args[0]) {
			c.addCompletions(cmd)
		}
	}
	return root
}

// unknownCommand is docker's error for a command that there is not below cmd.
func unknownCommand(cmd *cobra.Command, name string) error {
	path := cmd.CommandPath()
	return fmt.Errorf("gocker: unknown command: %s %s\n\nRun '%s --help' for more information", path, name, path)
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return filepath.Clean(v)
	}
	return fallback
}
