package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gocker/image"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

func newHistoryCommand(c *cli) *cobra.Command {
	var human, noTrunc, quiet bool
	var format string
	cmd := &cobra.Command{
		Use:   "history [OPTIONS] IMAGE",
		Short: "Show the history of an image",
		Args:  exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store := c.images()
			img, err := store.Get(args[0])
			if err != nil {
				return err
			}
			rows, err := historyRows(store, img, human, noTrunc)
			if err != nil {
				return err
			}
			table := "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
			if !human {
				table = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
			}
			if quiet && format == "" {
				format = "{{.ID}}"
			}
			return printRows(c.out, format, rowFormat{table: table, headers: historyHeaders}, rows)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "Format output: table, table TEMPLATE, json, or a Go template")
	cmd.Flags().BoolVarP(&human, "human", "H", true, "Print sizes and dates in human readable format")
	cmd.Flags().BoolVar(&noTrunc, "no-trunc", false, "Don't truncate output")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "Only show image IDs")
	return cmd
}

// historyRow is a line of history. Its fields have the names that docker gives them.
type historyRow struct {
	Comment      string
	CreatedAt    string
	CreatedBy    string
	CreatedSince string
	ID           string
	Size         string
}

var historyHeaders = map[string]string{
	"Comment": "COMMENT", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "CreatedSince": "CREATED", "ID": "IMAGE", "Size": "SIZE",
}

// historyRows are an image's, the newest first. Layers of which the history tells
// nothing are not in it.
func historyRows(store *image.Store, img *image.Image, human, noTrunc bool) ([]historyRow, error) {
	var rows []historyRow
	layer := 0
	for _, h := range img.Config.History {
		row := historyRow{ID: "<missing>", Comment: h.Comment, CreatedAt: h.Created.Local().Format(time.RFC3339), CreatedSince: "N/A"}
		row.CreatedBy = psView{noTrunc: noTrunc}.truncate(strings.ReplaceAll(h.CreatedBy, "\t", " "), 45)
		if h.Created.Year() >= 2000 {
			row.CreatedSince = units.HumanDuration(time.Since(h.Created.Time)) + " ago"
		}
		if !human {
			row.CreatedSince = row.CreatedAt
		}
		var size int64
		if !h.EmptyLayer && layer < len(img.ChainIDs) {
			var err error
			if size, err = store.LayerSize(img.ChainIDs[layer]); err != nil {
				return nil, err
			}
			layer++
		}
		row.Size = units.HumanSizeWithPrecision(float64(size), 3)
		if !human {
			row.Size = strconv.FormatInt(size, 10)
		}
		rows = append(rows, row)
	}
	slices.Reverse(rows)
	if len(rows) > 0 {
		if rows[0].ID = img.ID; !noTrunc {
			rows[0].ID = shortID(img.ID)
		}
	}
	return rows, nil
}
