package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"gocker/container"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

func newContainerPruneCommand(c *cli) *cobra.Command {
	var force bool
	var filters filterFlag
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove all stopped containers",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			filter, err := container.ParsePruneFilter(filters, time.Now())
			if err != nil {
				return err
			}
			if !force && !c.confirm("WARNING! This will remove all stopped containers.\nAre you sure you want to continue?") {
				return errors.New("container prune has been cancelled")
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			ids, bytes, err := store.Prune(filter)
			if len(ids) > 0 {
				fmt.Fprintf(c.out, "Deleted Containers:\n%s\n\n", strings.Join(ids, "\n"))
			}
			fmt.Fprintln(c.out, "Total reclaimed space:", units.HumanSize(float64(bytes)))
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not prompt for confirmation")
	cmd.Flags().Var(&filters, "filter", `Provide filter values (e.g. "until=<timestamp>")`)
	return cmd
}

// confirm asks a question; anything but yes is no.
func (c *cli) confirm(question string) bool {
	fmt.Fprint(c.out, question+" [y/N] ")
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
