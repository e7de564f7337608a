package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gocker/container"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

// statsFlags are those of stats.
type statsFlags struct {
	all, noStream, noTrunc bool
	format                 string
}

func newStatsCommand(c *cli) *cobra.Command {
	var f statsFlags
	cmd := &cobra.Command{
		Use:   "stats [OPTIONS] [CONTAINER...]",
		Short: "Display a live stream of container(s) resource usage statistics",
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			s := &statsView{store: store, names: args, statsFlags: f, before: map[string]container.Usage{}}
			return s.show(c)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.all, "all", "a", false, "Show all containers (default shows just running)")
	flags.StringVar(&f.format, "format", "", "Format output: table, table TEMPLATE, json, or a Go template")
	flags.BoolVar(&f.noStream, "no-stream", false, "Disable streaming stats and only pull the first result")
	flags.BoolVar(&f.noTrunc, "no-trunc", false, "Do not truncate output")
	return cmd
}

// statsInterval is the time between two looks, of which the second shows what
// happened since the first.
const statsInterval = time.Second

// statsView is what is shown of containers, again and again.
type statsView struct {
	store *container.Store
	names []string // those that were asked for, none for all
	statsFlags
	before map[string]container.Usage // the last look, by ID
}

// show prints the containers once, or until it is interrupted or those that were
// asked for are gone.
func (s *statsView) show(c *cli) error {
	if _, err := s.look(true); err != nil {
		return err
	}
	for {
		time.Sleep(statsInterval)
		rows, err := s.look(false)
		if err != nil {
			return err
		}
		if !s.noStream {
			const clear, home = "\x1b[2J", "\x1b[H"
			fmt.Fprint(c.out, clear+home)
		}
		err = printRows(c.out, s.format, rowFormat{table: statsTable, headers: statsHeaders}, rows)
		if err != nil || s.noStream || len(s.names) > 0 && len(rows) == 0 {
			return err
		}
	}
}

// look returns what each container uses. One of those that were asked for has to
// be there when they are looked at first.
func (s *statsView) look(first bool) ([]statsRow, error) {
	containers, names, err := s.containers(first)
	if err != nil {
		return nil, err
	}
	rows := make([]statsRow, 0, len(containers))
	now := map[string]container.Usage{}
	for i, ctr := range containers {
		u, err := ctr.Usage()
		if err != nil {
			return nil, err
		}
		row := newStatsRow(ctr, s.before[ctr.ID], u)
		row.Container = names[i]
		if s.noTrunc {
			row.ID = ctr.ID
		}
		rows = append(rows, row)
		now[ctr.ID] = u
	}
	s.before = now
	return rows, nil
}

// containers returns those that are shown, with what they are called.
func (s *statsView) containers(first bool) (all []*container.Container, names []string, err error) {
	if len(s.names) == 0 {
		if all, err = s.store.List(); err != nil {
			return nil, nil, err
		}
		all = slices.DeleteFunc(all, func(ctr *container.Container) bool {
			return !s.all && ctr.State.Status != container.Running
		})
		for _, ctr := range all {
			names = append(names, ctr.ShortID())
		}
		return all, names, nil
	}
	var missing []error
	for _, name := range s.names {
		ctr, err := s.store.Get(name)
		switch {
		case errors.Is(err, container.ErrNotFound) && !first:
			continue
		case err != nil:
			missing = append(missing, err)
			continue
		}
		all, names = append(all, ctr), append(names, name)
	}
	return all, names, errors.Join(missing...)
}

const statsTable = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"

// statsRow is a line of stats. Its fields have the names that docker gives them
// (docker/cli, formatter_stats.go).
type statsRow struct {
	BlockIO   string
	CPUPerc   string
	Container string
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

var statsHeaders = map[string]string{
	"BlockIO": "BLOCK I/O", "CPUPerc": "CPU %", "Container": "CONTAINER", "ID": "CONTAINER ID", "MemPerc": "MEM %",
	"MemUsage": "MEM USAGE / LIMIT", "Name": "NAME", "NetIO": "NET I/O", "PIDs": "PIDS",
}

// newStatsRow shows what a container uses now, and of the CPUs since it was
// looked at before.
func newStatsRow(ctr *container.Container, before, now container.Usage) statsRow {
	cpu, memory := 0.0, 0.0
	if used, all := now.CPU-before.CPU, now.Host-before.Host; before.Host > 0 && used > 0 && all > 0 {
		cpu = 100 * float64(now.CPUs) * float64(used) / float64(all)
	}
	if now.MemoryLimit > 0 {
		memory = 100 * float64(now.Memory) / float64(now.MemoryLimit)
	}
	percent := func(p float64) string { return strconv.FormatFloat(p, 'f', 2, 64) + "%" }
	pair := func(a, b uint64) string {
		return units.HumanSizeWithPrecision(float64(a), 3) + " / " + units.HumanSizeWithPrecision(float64(b), 3)
	}
	return statsRow{
		BlockIO:  pair(now.BlockRead, now.BlockWrite),
		CPUPerc:  percent(cpu),
		ID:       ctr.ShortID(),
		MemPerc:  percent(memory),
		MemUsage: units.BytesSize(float64(now.Memory)) + " / " + units.BytesSize(float64(now.MemoryLimit)),
		Name:     ctr.Name,
		NetIO:    pair(now.Received, now.Sent),
		PIDs:     strconv.FormatUint(now.Pids, 10),
	}
}
