package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gocker/container"

	"github.com/spf13/cobra"
)

func newEventsCommand(c *cli) *cobra.Command {
	var since, until, format string
	var filters filterFlag
	cmd := &cobra.Command{
		Use:   "events [OPTIONS]",
		Short: "Get real time events from the server",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			filter, err := container.ParseEventFilter(filters)
			if err != nil {
				return err
			}
			o := container.EventOptions{Show: func(e container.Event) error {
				if !filter.Match(e) {
					return nil
				}
				return c.printEvent(e, format)
			}}
			now := time.Now()
			for _, bound := range []struct {
				name, text string
				to         *time.Time
			}{{"since", since, &o.Since}, {"until", until, &o.Until}} {
				if bound.text == "" {
					continue
				}
				if *bound.to, err = container.ParseLogTime(bound.text, now); err != nil {
					return fmt.Errorf("invalid value for %q: %w", bound.name, err)
				}
			}
			return container.Journal{Root: c.root}.Events(context.Background(), o)
		},
	}
	flags := cmd.Flags()
	flags.VarP(&filters, "filter", "f", "Filter output based on conditions provided")
	flags.StringVar(&format, "format", "", "Format output: json, or a Go template")
	flags.StringVar(&since, "since", "", "Show all events created since timestamp")
	flags.StringVar(&until, "until", "", "Stream events until this timestamp")
	return cmd
}

// eventMessage is an event as docker's API has it: its names are those of a
// template and of json.
type eventMessage struct {
	Status   string `json:"status,omitempty"`
	ID       string `json:"id,omitempty"`
	From     string `json:"from,omitempty"`
	Type     string
	Action   string
	Actor    eventActor
	Scope    string `json:"scope,omitempty"`
	Time     int64  `json:"time,omitempty"` // seconds
	TimeNano int64  `json:"timeNano,omitempty"`
}

type eventActor struct {
	ID         string
	Attributes map[string]string
}

// printEvent prints one line.
func (c *cli) printEvent(e container.Event, format string) error {
	if format != "" {
		return printOne(c.out, format, eventMessage{
			Status: e.Action, ID: e.ID, From: e.Attributes["image"], Type: e.Type, Action: e.Action,
			Actor: eventActor{e.ID, e.Attributes}, Scope: "local", Time: e.Time.Unix(), TimeNano: e.Time.UnixNano(),
		})
	}
	const fixed = "2006-01-02T15:04:05.000000000Z07:00" // all digits of the nanoseconds
	var attributes []string
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		attributes = append(attributes, name+"="+e.Attributes[name])
	}
	line := fmt.Sprintf("%s %s %s %s", e.Time.Local().Format(fixed), e.Type, e.Action, e.ID)
	if attributes != nil {
		line += " (" + strings.Join(attributes, ", ") + ")"
	}
	_, err := fmt.Fprintln(c.out, line)
	return err
}

// note tells what has happened to an image.
func (c *cli) note(action, id, name string) {
	container.Journal{Root: c.root}.Note(container.Event{
		Type: "image", Action: action, ID: id, Attributes: map[string]string{"name": name},
	})
}
