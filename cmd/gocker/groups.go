package main

import "github.com/spf13/cobra"

// shortForm is the annotation of a command in a group: the verb that it is, by
// itself.
const shortForm = "short"

// member is a verb in a group, by another name if it has one there.
type member struct {
	name    string
	aliases []string
	short   string // the same verb by itself, "" when there is none
	new     func(*cli) *cobra.Command
}

// newGroup makes a command of commands, as `gocker container`.
func (c *cli) newGroup(name, short string, members []member) *cobra.Command {
	group := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs, // of commands that there aren't
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	for _, m := range members {
		cmd := m.new(c)
		cmd.Use = m.name + cmd.Use[len(cmd.Name()):]
		cmd.Aliases = m.aliases
		cmd.DisableFlagsInUseLine = true
		if m.short != "" {
			cmd.Annotations = map[string]string{shortForm: m.short}
		}
		group.AddCommand(cmd)
	}
	return group
}

// The members of groups. Where a name is the short form's too, it is the same
// command.

func newContainerCommand(c *cli) *cobra.Command {
	return c.newGroup("container", "Manage containers", []member{
		{name: "attach", short: "attach", new: newAttachCommand},
		{name: "commit", short: "commit", new: newCommitCommand},
		{name: "cp", short: "cp", new: newCpCommand},
		{name: "create", short: "create", new: newCreateCommand},
		{name: "diff", short: "diff", new: newDiffCommand},
		{name: "exec", short: "exec", new: newExecCommand},
		{name: "export", short: "export", new: newExportCommand},
		{name: "inspect", short: "inspect", new: func(c *cli) *cobra.Command { return newInspectOf(c, "container") }},
		{name: "kill", short: "kill", new: newKillCommand},
		{name: "logs", short: "logs", new: newLogsCommand},
		{name: "ls", aliases: []string{"ps", "list"}, short: "ps", new: newPsCommand},
		{name: "pause", short: "pause", new: newPauseCommand},
		{name: "prune", new: newContainerPruneCommand},
		{name: "rename", short: "rename", new: newRenameCommand},
		{name: "restart", short: "restart", new: newRestartCommand},
		{name: "rm", aliases: []string{"remove"}, short: "rm", new: newRmCommand},
		{name: "run", short: "run", new: newRunCommand},
		{name: "start", short: "start", new: newStartCommand},
		{name: "stats", short: "stats", new: newStatsCommand},
		{name: "stop", short: "stop", new: newStopCommand},
		{name: "top", short: "top", new: newTopCommand},
		{name: "unpause", short: "unpause", new: newUnpauseCommand},
		{name: "update", short: "update", new: newUpdateCommand},
		{name: "wait", short: "wait", new: newWaitCommand},
	})
}

func newImageCommand(c *cli) *cobra.Command {
	return c.newGroup("image", "Manage images", []member{
		{name: "history", short: "history", new: newHistoryCommand},
		{name: "import", short: "import", new: newImportCommand},
		{name: "inspect", short: "inspect", new: func(c *cli) *cobra.Command { return newInspectOf(c, "image") }},
		{name: "load", short: "load", new: newLoadCommand},
		{name: "ls", aliases: []string{"list"}, short: "images", new: newImagesCommand},
		{name: "prune", new: newImagePruneCommand},
		{name: "pull", short: "pull", new: newPullCommand},
		{name: "rm", aliases: []string{"remove"}, short: "rmi", new: newRmiCommand},
		{name: "save", short: "save", new: newSaveCommand},
		{name: "tag", short: "tag", new: newTagCommand},
	})
}

func newSystemCommand(c *cli) *cobra.Command {
	return c.newGroup("system", "Manage gocker", []member{
		{name: "df", new: newSystemDfCommand},
		{name: "events", short: "events", new: newEventsCommand},
		{name: "info", short: "info", new: newInfoCommand},
		{name: "prune", new: newSystemPruneCommand},
	})
}
