package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newLogsCommand(c *cli) *cobra.Command {
	var follow, timestamps, details bool
	var tail, since, until string
	cmd := &cobra.Command{
		Use:   "logs [OPTIONS] CONTAINER",
		Short: "Fetch the logs of a container",
		Args:  exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p := newLogPrinter(c.out, c.err)
			p.timestamps, p.details = timestamps, details
			o := container.LogOptions{Follow: follow, Tail: -1, Show: p.show, Idle: p.flush}
			// As in docker, what is no number means all.
			if n, err := strconv.Atoi(tail); err == nil && n >= 0 {
				o.Tail = n
			}
			now := time.Now()
			for _, bound := range []struct {
				name, text string
				to         *time.Time
			}{{"since", since, &o.Since}, {"until", until, &o.Until}} {
				if bound.text == "" {
					continue
				}
				var err error
				if *bound.to, err = container.ParseLogTime(bound.text, now); err != nil {
					return fmt.Errorf("invalid value for %q: %w", bound.name, err)
				}
			}
			store, err := container.Open(c.root, c.runRoot)
			if err != nil {
				return err
			}
			ctr, err := store.Get(args[0])
			if err != nil {
				return err
			}
			return store.Logs(ctr, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "Follow log output")
	flags.StringVar(&since, "since", "", `Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)`)
	flags.StringVar(&until, "until", "", `Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)`)
	flags.BoolVarP(&timestamps, "timestamps", "t", false, "Show timestamps")
	flags.BoolVar(&details, "details", false, "Show extra details provided to logs")
	flags.StringVarP(&tail, "tail", "n", "all", "Number of lines to show from the end of the logs")
	return cmd
}

// logPrinter prints entries to the stream that they came from. What goes to the
// same terminal or file by both stays in order.
type logPrinter struct {
	timestamps, details bool

	to   [2]*bufio.Writer // stdout, stderr
	last int              // where the last entry went
	open [2]bool          // a line has begun
}

func newLogPrinter(out, errOut io.Writer) *logPrinter {
	return &logPrinter{to: [2]*bufio.Writer{bufio.NewWriterSize(out, 64<<10), bufio.NewWriterSize(errOut, 64<<10)}}
}

func (p *logPrinter) show(e *container.LogEntry) error {
	stream := 0
	if e.Stream == "stderr" {
		stream = 1
	}
	if stream != p.last {
		if err := p.to[p.last].Flush(); err != nil {
			return err
		}
		p.last = stream
	}
	w := p.to[stream]
	// A long line is several entries: what stands in front of it does so once.
	// Errors of these writers come back from each later one.
	if !p.open[stream] {
		if p.timestamps {
			w.WriteString(e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z07:00 "))
		}
		if p.details {
			w.WriteString(detailsText(e.Attrs))
			w.WriteByte(' ')
		}
	}
	p.open[stream] = !strings.HasSuffix(e.Log, "\n")
	_, err := io.WriteString(w, e.Log)
	return err
}

func (p *logPrinter) flush() error { return errors.Join(p.to[0].Flush(), p.to[1].Flush()) }

// detailsText is name=value,…, sorted, each of them escaped as in a URL.
func detailsText(attrs map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(attrs[name]))
	}
	return strings.Join(pairs, ",")
}
