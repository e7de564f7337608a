package main

import (
	"slices"

	"gocker/container"

	"github.com/spf13/cobra"
)

// completer lists what a word can be.
type completer func(*cli) []string

// A verb's arguments are completed by its name by itself, whatever it is called in
// a group; the group is a part of the name of a verb that is only there. The first
// argument is one of first, all that follow are of rest. Files are completed where
// there is neither.
var completions = map[string]struct{ first, rest completer }{
	"attach":  {first: runningNames},
	"commit":  {first: containerNames},
	"create":  {first: imageNames},
	"diff":    {first: containerNames},
	"exec":    {first: runningNames},
	"explain": {first: containerNames, rest: containerNames},
	"export":  {first: containerNames},
	"history": {first: imageNames},
	"inspect": {first: objectNames, rest: objectNames},
	"kill":    {first: runningNames, rest: runningNames},
	"lab":     {first: func(*cli) []string { return experimentNames() }},
	"logs":    {first: containerNames},
	"pause":   {first: runningNames, rest: runningNames},
	"pull":    {first: imageNames},
	"rename":  {first: containerNames},
	"restart": {first: containerNames, rest: containerNames},
	"rm":      {first: containerNames, rest: containerNames},
	"rmi":     {first: imageNames, rest: imageNames},
	"run":     {first: imageNames},
	"save":    {first: imageNames, rest: imageNames},
	"start":   {first: idleNames, rest: idleNames},
	"stats":   {first: containerNames, rest: containerNames},
	"stop":    {first: runningNames, rest: runningNames},
	"tag":     {first: imageNames, rest: imageNames},
	"top":     {first: runningNames},
	"unpause": {first: pausedNames, rest: pausedNames},
	"update":  {first: containerNames, rest: containerNames},
	"wait":    {first: containerNames, rest: containerNames},

	"volume inspect": {first: volumeNames, rest: volumeNames},
	"volume rm":      {first: volumeNames, rest: volumeNames},
}

// flagValues are the values of flags that have a choice of them.
var flagValues = map[string][]string{
	"log-driver": {"json-file", "local", "none"},
	"network":    {"host", "none"},
	"pull":       {"always", "missing", "never"},
	"restart":    {"always", "no", "on-failure", "unless-stopped"},
	"signal":     {"HUP", "INT", "KILL", "QUIT", "STOP", "TERM", "USR1", "USR2"},
}

// completing are the commands by which the scripts that `gocker completion` prints
// ask what a word can be.
var completing = []string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}

// addCompletions teaches a command, and those below it, what its words can be.
func (c *cli) addCompletions(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		c.addCompletions(sub)
	}
	name := cmd.Name()
	if short := cmd.Annotations[shortForm]; short != "" {
		name = short
	} else if cmd.HasParent() && cmd.Parent().HasParent() {
		name = cmd.Parent().Name() + " " + name
	}
	if names, ok := completions[name]; ok {
		cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			list := names.rest
			if len(args) == 0 {
				list = names.first
			}
			if list == nil {
				return nil, cobra.ShellCompDirectiveDefault
			}
			// What stands there already is not meant a second time.
			left := slices.DeleteFunc(list(c), func(name string) bool { return slices.Contains(args, name) })
			return left, cobra.ShellCompDirectiveNoFileComp
		}
	}
	for name, values := range flagValues {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

func containerNames(c *cli) []string {
	return c.namesOf(func(*container.Container) bool { return true })
}

func runningNames(c *cli) []string {
	return c.namesOf(func(ctr *container.Container) bool { return ctr.State.Up() })
}

func pausedNames(c *cli) []string {
	return c.namesOf(func(ctr *container.Container) bool { return ctr.State.Paused })
}

func idleNames(c *cli) []string {
	return c.namesOf(func(ctr *container.Container) bool { return !ctr.State.Up() })
}

// namesOf lists containers. Who may not see them gets none.
func (c *cli) namesOf(which func(*container.Container) bool) []string {
	store := &container.Store{Root: c.root, RunRoot: c.runRoot}
	all, err := store.List()
	if err != nil {
		return nil
	}
	var names []string
	for _, ctr := range all {
		if which(ctr) {
			names = append(names, ctr.Name)
		}
	}
	return names
}

func imageNames(c *cli) []string {
	all, err := c.images().List()
	if err != nil {
		return nil
	}
	var names []string
	for _, img := range all {
		names = append(names, img.Tags()...)
	}
	return names
}

func volumeNames(c *cli) []string {
	store := &container.Store{Root: c.root, RunRoot: c.runRoot}
	all, err := store.Volumes()
	if err != nil {
		return nil
	}
	var names []string
	for _, v := range all {
		names = append(names, v.Name)
	}
	return names
}

func objectNames(c *cli) []string {
	return slices.Concat(containerNames(c), imageNames(c), volumeNames(c))
}
