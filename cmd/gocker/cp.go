package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gocker/container"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newCpCommand(c *cli) *cobra.Command {
	var o container.CopyOptions
	var quiet bool
	cmd := &cobra.Command{
		Use:   "cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
		Short: "Copy files/folders between a container and the local filesystem",
		Long: `Copy files/folders between a container and the local filesystem

  gocker cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-
  gocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case args[0] == "":
				return errors.New("source can not be empty")
			case args[1] == "":
				return errors.New("destination can not be empty")
			}
			if !cmd.Flags().Changed("quiet") {
				quiet = !isTerminal(c.out)
			}
			ctx, caught := untilSignal(cmd.Context())
			done, to, err := c.copy(ctx, args[0], args[1], o)
			if sig := caught(); sig != 0 && err != nil {
				return &exitError{code: 128 + int(sig), err: errors.New("cp interrupted")}
			}
			if err == nil && to != "" && !quiet {
				fmt.Fprintln(c.err, copySummary(done, to))
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&o.FollowLink, "follow-link", "L", false, "Always follow symlinks in SRC_PATH")
	cmd.Flags().BoolVarP(&o.Archive, "archive", "a", false, "Archive mode (copy all uid/gid information)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached")
	return cmd
}

// copy returns where it has copied to, "" for a stream.
func (c *cli) copy(ctx context.Context, src, dst string, o container.CopyOptions) (done container.Copied, to string, err error) {
	from, srcPath := splitCopyArg(src)
	into, dstPath := splitCopyArg(dst)
	switch {
	case from != "" && into != "":
		return done, "", errors.New("copying between containers is not supported")
	case from == "" && into == "":
		return done, "", errors.New("must specify at least one container source")
	}
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return done, "", err
	}
	switch {
	case from != "" && dst == "-":
		return done, "", store.ArchiveFrom(from, srcPath, o, c.out)
	case from != "":
		if to, err = filepath.Abs(dst); err == nil {
			done, err = store.CopyFrom(ctx, from, srcPath, dst, o)
		}
	case src == "-":
		return done, "", store.ExtractTo(ctx, c.in, into, dstPath)
	default:
		to = dst
		done, err = store.CopyTo(ctx, srcPath, into, dstPath, o)
	}
	return done, to, err
}

// splitCopyArg parts CONTAINER:PATH. What begins with a slash or a dot is a path of
// the host, whatever is in it.
func splitCopyArg(arg string) (name, path string) {
	name, path, ok := strings.Cut(arg, ":")
	if !ok || strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return "", arg
	}
	return name, path
}

// copySummary is docker's last word.
func copySummary(done container.Copied, to string) string {
	text := "Successfully copied " + units.HumanSizeWithPrecision(float64(done.Content), 3)
	if done.Content != done.Archived {
		text += fmt.Sprintf(" (transferred %s)", units.HumanSizeWithPrecision(float64(done.Archived), 3))
	}
	return text + " to " + to
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
