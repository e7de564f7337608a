package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gocker/container"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

func newVolumeCommand(c *cli) *cobra.Command {
	return c.newGroup("volume", "Manage volumes", []member{
		{name: "create", new: newVolumeCreateCommand},
		{name: "inspect", new: newVolumeInspectCommand},
		{name: "ls", aliases: []string{"list"}, new: newVolumeLsCommand},
		{name: "prune", new: newVolumePruneCommand},
		{name: "rm", aliases: []string{"remove"}, new: newVolumeRmCommand},
	})
}

func newVolumeCreateCommand(c *cli) *cobra.Command {
	var o container.VolumeOptions
	var labels, options []string
	cmd := &cobra.Command{
		Use:   "create [OPTIONS] [VOLUME]",
		Short: "Create a volume",
		Args:  maxArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o.Labels, o.Options = keyValues(labels), keyValues(options)
			if len(args) == 1 {
				o.Name = args[0]
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			v, err := store.CreateVolume(o)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.out, v.Name)
			return nil
		},
	}
	cmd.Flags().StringVarP(&o.Driver, "driver", "d", "local", "Specify volume driver name")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "Set metadata for a volume")
	cmd.Flags().StringArrayVarP(&options, "opt", "o", nil, "Set driver specific options")
	return cmd
}

func newVolumeInspectCommand(c *cli) *cobra.Command {
	f := inspectFlags{kind: "volume"}
	cmd := &cobra.Command{
		Use:   "inspect [OPTIONS] VOLUME [VOLUME...]",
		Short: "Display detailed information on one or more volumes",
		Args:  minArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return c.inspect(args, f) },
	}
	cmd.Flags().StringVarP(&f.format, "format", "f", "", "Format output: json, or a Go template")
	return cmd
}

// volumeObject is a volume as inspect prints it.
type volumeObject struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

func describeVolume(v *container.Volume) *volumeObject {
	return &volumeObject{
		CreatedAt: v.CreatedAt.Local().Format("2006-01-02T15:04:05Z07:00"), Driver: v.Driver, Labels: v.Labels,
		Mountpoint: v.Mountpoint, Name: v.Name, Options: v.Options, Scope: v.Scope,
	}
}

func newVolumeLsCommand(c *cli) *cobra.Command {
	var quiet bool
	var format string
	var filters filterFlag
	cmd := &cobra.Command{
		Use:   "ls [OPTIONS]",
		Short: "List volumes",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			filter, err := container.ParseVolumeFilter(filters, false)
			if err != nil {
				return err
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			all, err := store.Volumes()
			if err != nil {
				return err
			}
			if quiet && format == "" {
				format = "{{.Name}}"
			}
			var rows []volumeRow
			for _, v := range all {
				if filter.Match(v) {
					rows = append(rows, newVolumeRow(v))
				}
			}
			return printRows(c.out, format, rowFormat{table: "{{.Driver}}\t{{.Name}}", headers: volumeHeaders}, rows)
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "Only display volume names")
	cmd.Flags().StringVar(&format, "format", "", "Format output: table, table TEMPLATE, json, or a Go template")
	cmd.Flags().VarP(&filters, "filter", "f", `Provide filter values (e.g. "dangling=true")`)
	return cmd
}

// volumeRow is a line of volume ls. Its fields have the names that docker gives
// them; those of clusters say that there is none.
type volumeRow struct {
	Availability string
	Driver       string
	Group        string
	Labels       string
	Links        string
	Mountpoint   string
	Name         string
	Scope        string
	Size         string
	Status       string

	labels map[string]string
}

var volumeHeaders = map[string]string{
	"Availability": "AVAILABILITY", "Driver": "DRIVER", "Group": "GROUP", "Labels": "LABELS", "Links": "LINKS",
	"Mountpoint": "MOUNTPOINT", "Name": "VOLUME NAME", "Scope": "SCOPE", "Size": "SIZE", "Status": "STATUS",
}

func newVolumeRow(v *container.Volume) volumeRow {
	const none = "N/A"
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		labels = append(labels, key+"="+v.Labels[key])
	}
	return volumeRow{
		Availability: none, Driver: v.Driver, Group: none, Labels: strings.Join(labels, ","), Links: none,
		Mountpoint: v.Mountpoint, Name: v.Name, Scope: v.Scope, Size: none, Status: none, labels: v.Labels,
	}
}

// Label is the value of one label.
func (r volumeRow) Label(key string) string { return r.labels[key] }

func newVolumeRmCommand(c *cli) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm [OPTIONS] VOLUME [VOLUME...]",
		Short: "Remove one or more volumes",
		Args:  minArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			return c.each(args, func(name string) error {
				err := store.RemoveVolume(name)
				if force && errors.Is(err, container.ErrNoVolume) {
					err = nil
				}
				if err == nil {
					fmt.Fprintln(c.out, name)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Force the removal of one or more volumes")
	return cmd
}

func newVolumePruneCommand(c *cli) *cobra.Command {
	var all, force bool
	var filters filterFlag
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove unused local volumes",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := container.ParseVolumeFilter(filters, true)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("all") {
				filter.Anonymous = !all
			}
			which := "anonymous local volumes"
			if !filter.Anonymous {
				which = "local volumes"
			}
			if !force && !c.confirm("WARNING! This will remove "+which+" not used by at least one container.\nAre you sure you want to continue?") {
				return errors.New("volume prune has been cancelled")
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			names, bytes, err := store.PruneVolumes(filter)
			if len(names) > 0 {
				fmt.Fprintf(c.out, "Deleted Volumes:\n%s\n\n", strings.Join(names, "\n"))
			}
			fmt.Fprintln(c.out, "Total reclaimed space:", units.HumanSize(float64(bytes)))
			return err
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "Remove all unused volumes, not just anonymous ones")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not prompt for confirmation")
	cmd.Flags().Var(&filters, "filter", `Provide filter values (e.g. "label=<label>")`)
	return cmd
}
