package main

import (
	"slices"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newExplainCommand(c *cli) *cobra.Command {
	var format string
	var diff bool
	cmd := &cobra.Command{
		Use:   "explain [OPTIONS] CONTAINER",
		Short: "Show a container as the kernel has it",
		Long: `Show a container as the kernel has it: namespaces, layers, control groups,
mounts, privileges, network and processes, and for each part the commands that
show the same without gocker. Of a container that does not run: what is on disk,
and what the kernel would be told.

With --diff, show what differs between two. Each side is a container, or the word
run and what follows it on a command line; two dashes part sides of several words:

  gocker explain --diff web db
  gocker explain --diff run -m 64m busybox -- run --network host busybox
  gocker explain --diff web -- run --privileged busybox`,
		DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false) // the flags after run are not ours
	flags.StringVarP(&format, "format", "f", "", "Format output: table, json, html (one page by itself), or a Go template")
	flags.BoolVar(&diff, "diff", false, "Show what differs between two containers, or two sets of run's flags")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sides, err := explainSides(cmd, args)
		if err != nil {
			return err
		}
		if diff {
			return c.explainDiff(cmd, sides, format)
		}
		if len(sides) != 1 || sides[0][0] == "run" && len(sides[0]) > 1 {
			return usageError(cmd, "requires 1 argument")
		}
		store, err := container.Open(c.root, c.runRoot)
		if err != nil {
			return err
		}
		v, err := store.Look(sides[0][0])
		if err != nil {
			return err
		}
		switch format {
		case "", "table":
			return printView(c.out, v)
		case "html":
			return printPage(c.out, v)
		}
		return printOne(c.out, format, v)
	}
	return cmd
}

// explainSides parts the arguments into what is to be shown: names of
// containers, a word each, and sets of run's flags, which begin with "run".
// Flags of explain itself may follow the names.
func explainSides(cmd *cobra.Command, args []string) (sides [][]string, err error) {
	for len(args) > 0 {
		end := slices.Index(args, "--")
		part, rest := args, []string(nil)
		if end >= 0 {
			part, rest = args[:end], args[end+1:]
		}
		if len(part) > 0 && part[0] == "run" && (len(part) > 1 || end >= 0) {
			sides = append(sides, part)
			args = rest
			continue
		}
		// Only names are left before the dashes: our own flags among them.
		flags := cmd.Flags()
		flags.SetInterspersed(true)
		if err := flags.Parse(part); err != nil {
			return nil, cmd.FlagErrorFunc()(cmd, err)
		}
		for _, name := range flags.Args() {
			sides = append(sides, []string{name})
		}
		args = rest
	}
	return sides, nil
}
