//go:build man

package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// With the tag man there is one more command, which writes the manual pages of all
// others into a directory: go run -tags man ./cmd/gocker man DIRECTORY. What it
// needs is not in the gocker that is shipped. Their date is SOURCE_DATE_EPOCH's.
func init() {
	verbs = append(verbs, struct {
		name string
		new  func(*cli) *cobra.Command
	}{"man", newManCommand})
}

func newManCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Args:   exactArgs(1),
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := newRootCommand(c, nil)
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "gocker " + version, Manual: "Gocker's manual"}, args[0])
		},
	}
}
