package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocker/container"
	"gocker/image"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

// psFlags are those of ps.
type psFlags struct {
	all, quiet, noTrunc, latest, size bool
	last                              int
	filters                           filterFlag
	format                            string
}

func newPsCommand(c *cli) *cobra.Command {
	var f psFlags
	cmd := &cobra.Command{
		Use:                   "ps [OPTIONS]",
		Short:                 "List containers",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A template that shows the size asks for it, if the user did not say no.
			if !cmd.Flags().Changed("size") && !f.quiet {
				f.size = strings.Contains(f.format, ".Size")
			}
			if f.latest && f.last == -1 {
				f.last = 1
			}
			return c.listContainers(f)
		},
	}
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "Show all containers (default shows just running)")
	cmd.Flags().VarP(&f.filters, "filter", "f", "Filter output based on conditions provided")
	cmd.Flags().StringVar(&f.format, "format", "", "Format output: table, table TEMPLATE, json, raw, or a Go template")
	cmd.Flags().IntVarP(&f.last, "last", "n", -1, "Show n last created containers (includes all states)")
	cmd.Flags().BoolVarP(&f.latest, "latest", "l", false, "Show the latest created container (includes all states)")
	cmd.Flags().BoolVar(&f.noTrunc, "no-trunc", false, "Don't truncate output")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "Only display container IDs")
	cmd.Flags().BoolVarP(&f.size, "size", "s", false, "Display total file sizes")
	return cmd
}

// filterFlag collects key=value conditions, as docker's flag of this name does.
type filterFlag []string

func (f *filterFlag) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		return errors.New("bad format of filter (expected name=value)")
	}
	*f = append(*f, strings.ToLower(strings.TrimSpace(key))+"="+strings.TrimSpace(value))
	return nil
}

func (f *filterFlag) String() string { return strings.Join(*f, ",") }
func (f *filterFlag) Type() string   { return "filter" }

func (c *cli) listContainers(f psFlags) error {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return err
	}
	if err := store.SweepNetwork(); err != nil {
		fmt.Fprintln(c.err, err)
	}
	images := c.images()
	filter, err := store.ParseFilter(f.filters, func(name string) (*container.Image, bool) {
		img, err := images.Get(name)
		if err != nil {
			return nil, false
		}
		return containerImage(name, img), true
	})
	if err != nil {
		return err
	}
	all, err := store.List()
	if err != nil {
		return err
	}
	anyState := f.all || f.last > 0 || filter.AnyState
	all = slices.DeleteFunc(all, func(ctr *container.Container) bool {
		return !anyState && !ctr.State.Up() || !filter.Match(ctr)
	})
	if f.last > 0 {
		all = all[:min(f.last, len(all))]
	}
	view := psView{now: time.Now(), noTrunc: f.noTrunc, size: f.size, imageID: imageIDs(images)}
	rows := make([]psRow, 0, len(all))
	for _, ctr := range all {
		row, err := view.row(ctr)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if f.quiet && f.format != "" {
		fmt.Fprintln(c.err, "WARNING: Ignoring custom format, because both --format and --quiet are set.")
	}
	return printRows(c.out, psFormat(f), rowFormat{table: psTable(f.size), headers: psHeaders}, rows)
}

// imageIDs returns a function that tells the ID of the image that has a name
// now, "" if none. It looks each name up once.
func imageIDs(images *image.Store) func(name string) string {
	known := map[string]string{}
	return func(name string) string {
		id, ok := known[name]
		if !ok {
			if img, err := images.Get(name); err == nil {
				id = img.ID
			}
			known[name] = id
		}
		return id
	}
}

// psFormat is the format of the rows as printRows takes it.
func psFormat(f psFlags) string {
	switch {
	case f.quiet:
		return "{{.ID}}"
	case f.format == "raw":
		format := `container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate:{{pad .State 1 0}}\nstatus:{{pad .Status 1 0}}\nnames: {{.Names}}\nlabels:{{pad .Labels 1 0}}\nports:{{pad .Ports 1 0}}`
		if f.size {
			format += `\nsize: {{.Size}}`
		}
		return format + "{{println}}"
	}
	return f.format
}

func psTable(size bool) string {
	table := "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
	if size {
		table += "\t{{.Size}}"
	}
	return table
}

// psRow is a line of ps. Its fields have the names that docker gives them
// (docker/cli, formatter/container.go).
type psRow struct {
	Command      string
	CreatedAt    string
	HealthStatus string // "" without a health check
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Names        string
	Networks     string
	Platform     string
	Ports        string
	RunningFor   string
	Size         string
	State        string
	Status       string

	labels map[string]string
}

// Label is the value of one label.
func (r psRow) Label(key string) string { return r.labels[key] }

var psHeaders = map[string]string{
	"Command": "COMMAND", "CreatedAt": "CREATED AT", "HealthStatus": "HEALTH STATUS", "ID": "CONTAINER ID", "Image": "IMAGE",
	"Labels": "LABELS", "LocalVolumes": "LOCAL VOLUMES", "Mounts": "MOUNTS", "Names": "NAMES", "Networks": "NETWORKS",
	"Platform": "PLATFORM", "Ports": "PORTS", "RunningFor": "CREATED", "Size": "SIZE", "State": "STATE", "Status": "STATUS",
}

// psView is how containers are shown as rows.
type psView struct {
	now     time.Time
	noTrunc bool
	size    bool                     // measure them
	imageID func(name string) string // the ID that a name stands for now, or ""
}

func (v psView) row(ctr *container.Container) (psRow, error) {
	row := psRow{
		Command:    strconv.Quote(v.truncate(commandLine(ctr), 20)),
		CreatedAt:  ctr.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"),
		ID:         ctr.ID,
		Image:      v.image(ctr),
		Names:      ctr.Name,
		Networks:   ctr.HostConfig.NetworkMode,
		Platform:   ctr.Platform,
		RunningFor: units.HumanDuration(v.now.Sub(ctr.Created)) + " ago",
		Size:       "0B", // docker's too, where nobody asked for it
		State:      ctr.State.Word(),
		Status:     statusText(ctr.State, v.now),
		labels:     ctr.Config.Labels,
	}
	if !v.noTrunc {
		row.ID = ctr.ShortID()
	}
	if h := ctr.State.Health; h != nil {
		row.HealthStatus = h.Status
	}
	var labels, mounts []string
	for _, key := range slices.Sorted(maps.Keys(ctr.Config.Labels)) {
		labels = append(labels, key+"="+ctr.Config.Labels[key])
	}
	volumes := 0
	for _, m := range ctr.Mounts {
		name := m.Name
		if name == "" {
			name = m.Source
		}
		mounts = append(mounts, v.truncate(name, 15))
		if m.Driver == "local" {
			volumes++
		}
	}
	row.Labels, row.Mounts, row.LocalVolumes = strings.Join(labels, ","), strings.Join(mounts, ","), strconv.Itoa(volumes)
	if v.size {
		written, total, err := ctr.Size()
		if err != nil {
			return row, err
		}
		row.Size = sizeText(written, total)
	}
	return row, nil
}

// image is what the user called the container's image, or the image's ID where
// that name has gone to another one or is gone.
func (v psView) image(ctr *container.Container) string {
	if ctr.Image == "" {
		return "<no image>" // a plain directory
	}
	name := ctr.Image
	if v.imageID(name) != ctr.ImageID {
		name = ctr.ImageID
	}
	if v.noTrunc {
		return name
	}
	if short := shortID(ctr.ImageID); shortID(name) == short {
		return short
	}
	ref, err := image.ParseReference(name)
	switch {
	case err != nil:
		return name
	case !image.HasTag(name):
		return ref.FamiliarName()
	}
	ref.Digest = ""
	return ref.Familiar()
}

// shortID cuts an image's ID to the 12 digits that docker prints.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// truncate cuts a text that is longer than n, the mark of the cut included.
func (v psView) truncate(s string, n int) string {
	if runes := []rune(s); !v.noTrunc && len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

// commandLine is the command with its arguments, those with spaces in quotes.
func commandLine(ctr *container.Container) string {
	words := []string{ctr.Path}
	for _, arg := range ctr.Args {
		if strings.Contains(arg, " ") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// statusText is a state in docker's words, with how long it has lasted.
func statusText(s container.State, now time.Time) string {
	switch {
	case s.Status == container.Running:
		up := "Up " + units.HumanDuration(now.Sub(s.StartedAt))
		if s.Paused {
			return up + " (Paused)"
		}
		switch health := s.HealthWord(); health {
		case "none":
		case container.Starting:
			up += " (health: starting)"
		default:
			up += " (" + health + ")"
		}
		return up
	case s.Status == container.Restarting:
		return fmt.Sprintf("Restarting (%d) %s ago", s.ExitCode, units.HumanDuration(now.Sub(s.FinishedAt)))
	case s.StartedAt.IsZero():
		return "Created" // also when its start failed
	}
	return fmt.Sprintf("Exited (%d) %s ago", s.ExitCode, units.HumanDuration(now.Sub(s.FinishedAt)))
}

func sizeText(written, total int64) string {
	size := units.HumanSizeWithPrecision(float64(written), 3)
	if total > 0 {
		size += " (virtual " + units.HumanSizeWithPrecision(float64(total), 3) + ")"
	}
	return size
}
