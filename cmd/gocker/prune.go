package main

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gocker/container"
	"gocker/image"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newContainerPruneCommand(c *cli) *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove all stopped containers",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.prune(f, pruned{containers: true}, "container prune", "This will remove all stopped containers.\n")
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func newImagePruneCommand(c *cli) *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove unused images",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			what := "all dangling images"
			if f.all {
				what = "all images without at least one container associated to them"
			}
			return c.prune(f, pruned{images: true}, "image prune", "This will remove "+what+".\n")
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "Remove all unused images, not just dangling ones")
	return cmd
}

func newSystemPruneCommand(c *cli) *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove unused data",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			warning := "This will remove:\n  - all stopped containers\n"
			if f.volumes {
				if slices.ContainsFunc(f.filters, func(s string) bool { return strings.HasPrefix(s, "until=") }) {
					return errors.New(`ERROR: The "until" filter is not supported with "--volumes"`) // docker's words
				}
				warning += "  - all anonymous volumes not used by at least one container\n"
			}
			if f.all {
				warning += "  - all images without at least one container associated to them\n"
			} else {
				warning += "  - all dangling images\n"
			}
			if len(f.filters) > 0 {
				warning += "\n  Items to be pruned will be filtered with:\n"
				for _, filter := range f.filters {
					warning += "  - " + filter + "\n"
				}
			}
			return c.prune(f, pruned{containers: true, volumes: f.volumes, images: true}, "system prune", warning+"\n")
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "Remove all unused images not just dangling ones")
	cmd.Flags().BoolVar(&f.volumes, "volumes", false, "Prune anonymous volumes")
	return cmd
}

// pruneFlags are those of the commands that remove what isn't used.
type pruneFlags struct {
	force, all, volumes bool
	filters             filterFlag
}

func (f *pruneFlags) register(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.force, "force", "f", false, "Do not prompt for confirmation")
	flags.Var(&f.filters, "filter", `Provide filter values (e.g. "until=<timestamp>")`)
}

// pruned says what is removed.
type pruned struct{ containers, volumes, images bool }

// prune asks, removes what isn't used, and says what went. Containers go first,
// and with them what uses images.
func (c *cli) prune(f pruneFlags, what pruned, name, warning string) error {
	conditions := f.filters
	if what.images {
		conditions = slices.DeleteFunc(slices.Clone(conditions), func(s string) bool {
			value, ok := strings.CutPrefix(s, "dangling=")
			f.all = f.all || ok && (value == "false" || value == "0")
			return ok && !what.containers
		})
	}
	filter, err := container.ParsePruneFilter(conditions, time.Now())
	if err != nil {
		return err
	}
	if !f.force && !c.confirm("WARNING! "+warning+"Are you sure you want to continue?") {
		return errors.New(name + " has been cancelled")
	}
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return err
	}
	var total int64
	var errs []error
	if what.containers {
		ids, bytes, err := store.Prune(filter)
		err = errors.Join(err, store.SweepNetwork())
		if len(ids) > 0 {
			fmt.Fprintf(c.out, "Deleted Containers:\n%s\n\n", strings.Join(ids, "\n"))
		}
		total += bytes
		errs = append(errs, err)
	}
	if what.volumes {
		filter, err := container.ParseVolumeFilter(conditions, true)
		if err != nil {
			return err
		}
		names, bytes, err := store.PruneVolumes(filter)
		if len(names) > 0 {
			fmt.Fprintf(c.out, "Deleted Volumes:\n%s\n\n", strings.Join(names, "\n"))
		}
		total += bytes
		errs = append(errs, err)
	}
	if what.images {
		done, bytes, err := c.images().Prune(f.all, func(img *image.Image) bool {
			return filter.Match(img.Created(), img.Config.Config.Labels)
		})
		if len(done) > 0 {
			fmt.Fprintln(c.out, "Deleted Images:")
			for _, d := range done {
				if d.Untagged != "" {
					fmt.Fprintln(c.out, "untagged: "+d.Untagged)
				} else {
					fmt.Fprintln(c.out, "deleted: "+d.Deleted)
				}
			}
			fmt.Fprintln(c.out)
		}
		total += bytes
		errs = append(errs, err)
	}
	fmt.Fprintln(c.out, "Total reclaimed space:", units.HumanSize(float64(total)))
	return errors.Join(errs...)
}

// confirm asks a question; anything but yes is no.
func (c *cli) confirm(question string) bool {
	fmt.Fprint(c.out, question+" [y/N] ")
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
