package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"gocker/container"

	"github.com/spf13/cobra"
)

// explainDiff prints what differs between two containers, or sets of run's
// flags. Two that both run are compared as the kernel has them; else both are
// compared by what the kernel is told when they start.
func (c *cli) explainDiff(cmd *cobra.Command, sides [][]string, format string) error {
	if len(sides) != 2 {
		return usageError(cmd, "requires 2 sides for --diff: containers, or run and its arguments, parted by --")
	}
	views, err := c.diffViews(sides)
	if err != nil {
		return err
	}
	differences := container.Compare(views[0], views[1])
	switch format {
	case "", "table":
		return printDiff(c.out, sides, views, differences)
	case "html":
		return errors.New("--diff has no format html: choose table, json or a Go template")
	}
	if differences == nil {
		differences = []container.Difference{}
	}
	return printOne(c.out, format, differences)
}

func (c *cli) diffViews(sides [][]string) (views [2]*container.View, err error) {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return views, err
	}
	living := 0
	for i, side := range sides {
		if len(side) > 1 {
			views[i], err = c.foresee(store, side[1:])
		} else {
			views[i], err = store.Look(side[0])
		}
		if err != nil {
			return views, err
		}
		if views[i].Living {
			living++
		}
	}
	if living == 2 {
		return views, nil
	}
	for i, side := range sides {
		if len(side) == 1 {
			if views[i], err = store.Foreseen(side[0]); err != nil {
				return views, err
			}
		}
	}
	return views, nil
}

// foresee is the view of what `gocker run` with these arguments would start.
func (c *cli) foresee(store *container.Store, args []string) (*container.View, error) {
	f := new(runFlags)
	run := &cobra.Command{Use: "run [OPTIONS] IMAGE [COMMAND] [ARG...]"}
	f.register(run.Flags())
	if err := run.ParseFlags(args); err != nil {
		return nil, &exitError{code: 125, err: fmt.Errorf("run: %w", err)}
	}
	args = run.Flags().Args()
	if err := f.create.needImage(run, args); err != nil {
		return nil, err
	}
	opts, err := f.create.options(run.Flags(), args)
	if err != nil {
		return nil, err
	}
	if opts.Rootfs == "" {
		if opts.Image, err = c.presentImage(args[0]); err != nil {
			return nil, err
		}
	}
	return store.Foresee(opts)
}

// partWords begin each part of a diff.
var partWords = map[string]string{
	"command":    "what is started, and with which surroundings",
	"namespaces": "what of the system it sees as its own",
	"root":       "what its files are made of",
	"limits":     "how much it may use: control groups",
	"mounts":     "what else is in its file tree",
	"privileges": "what the kernel lets it do",
	"network":    "whom it can talk to",
}

// printDiff writes a diff as diff(1) marks it: lines with - are of the first,
// lines with + of the second.
func printDiff(w io.Writer, sides [][]string, views [2]*container.View, differences []container.Difference) error {
	p := &page{w: w}
	for i, mark := range []string{"---", "+++"} {
		name := title(views[i])
		if len(sides[i]) > 1 {
			name = strings.Join(sides[i], " ")
		}
		p.line("%s %s", mark, printable(name))
	}
	if views[0].Living {
		p.line("Both run: this is what the kernel has.")
	} else {
		p.line("Not both run: this is what the kernel is told when they start.")
	}
	if len(differences) == 0 {
		p.line("\nNo difference.")
	}
	for len(differences) > 0 {
		part := differences[0].Part
		n := 0
		for n < len(differences) && differences[n].Part == part {
			n++
		}
		p.line("\n%s: %s", part, partWords[part])
		p.differences(differences[:n])
		differences = differences[n:]
	}
	return p.err
}

func (p *page) differences(differences []container.Difference) {
	t := tabwriter.NewWriter(p.w, 8, 1, 3, ' ', 0)
	inner := &page{w: t, err: p.err}
	for _, d := range differences {
		for _, side := range []struct{ mark, text string }{{"-", d.A}, {"+", d.B}} {
			if side.text != "" {
				inner.line("%s %s\t%s", side.mark, printable(d.What), printable(side.text))
			}
		}
	}
	if p.err = inner.err; p.err == nil {
		p.err = t.Flush()
	}
}
