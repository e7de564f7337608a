package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"gocker/container"
	"gocker/image"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
)

// commitFlags are those of commit.
type commitFlags struct {
	author, message string
	changes         []string
	pause           bool
}

func newCommitCommand(c *cli) *cobra.Command {
	var f commitFlags
	cmd := &cobra.Command{
		Use:   "commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
		Short: "Create a new image from a container's changes",
		Args:  rangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 2 {
				name = args[1]
			}
			// A container that stands still meanwhile must not stay so.
			ctx, caught := untilSignal(cmd.Context())
			id, err := c.commit(ctx, args[0], name, f)
			if sig := caught(); sig != 0 && err != nil {
				return &exitError{code: 128 + int(sig), err: errors.New("commit interrupted")}
			}
			if err == nil {
				fmt.Fprintln(c.out, id)
			}
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVarP(&f.author, "author", "a", "", `Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")`)
	cmd.Flags().StringArrayVarP(&f.changes, "change", "c", nil, "Apply Dockerfile instruction to the created image")
	cmd.Flags().StringVarP(&f.message, "message", "m", "", "Commit message")
	cmd.Flags().BoolVarP(&f.pause, "pause", "p", true, "Pause container during commit")
	return cmd
}

func (c *cli) commit(ctx context.Context, from, name string, f commitFlags) (id string, err error) {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return "", err
	}
	ctr, err := store.Get(from)
	if err != nil {
		return "", err
	}
	if ctr.Rootfs != "" {
		return "", fmt.Errorf("container %s is not made of an image: export and import it", ctr.Name)
	}
	images := c.images()
	base, err := images.Get(ctr.ImageID)
	if err != nil {
		return "", err
	}
	now := v1.Time{Time: time.Now().UTC()}
	config := *base.Config
	config.Created, config.Author = now, f.author
	config.Config = committedConfig(config.Config, &ctr.Config)
	for _, change := range f.changes {
		if err := image.ApplyChange(&config.Config, change); err != nil {
			return "", err
		}
	}
	r, w := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		w.CloseWithError(store.PackChanges(ctr, f.pause, w))
	}()
	id, err = images.Add(ctx, image.NewImage{
		Base: base, Layer: r, Config: config, Name: name,
		History: v1.History{Created: now, CreatedBy: commandLine(ctr), Author: f.author, Comment: f.message},
	})
	r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	<-packed
	return id, err
}

// committedConfig is the image's, with what the container was told besides.
func committedConfig(c v1.Config, of *container.Config) v1.Config {
	c.Env, c.Cmd, c.Entrypoint = of.Env, of.Cmd, of.Entrypoint
	c.Labels, c.Volumes = of.Labels, of.Volumes
	c.User, c.WorkingDir, c.StopSignal = of.User, of.WorkingDir, of.StopSignal
	return c
}

func newImportCommand(c *cli) *cobra.Command {
	var f commitFlags
	cmd := &cobra.Command{
		Use:   "import [OPTIONS] file|- [REPOSITORY[:TAG]]",
		Short: "Import the contents from a tarball to create a filesystem image",
		Args:  rangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := c.in
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				in = file
			}
			layer, end, err := image.Inflate(in)
			if err != nil {
				return err
			}
			defer end()
			now := v1.Time{Time: time.Now().UTC()}
			n := image.NewImage{
				Layer:   layer,
				Config:  v1.ConfigFile{Created: now, OS: "linux", Architecture: runtime.GOARCH},
				History: v1.History{Created: now, Comment: f.message},
			}
			if f.message == "" {
				n.History.Comment = "Imported from " + args[0]
			}
			if len(args) == 2 {
				n.Name = args[1]
			}
			for _, change := range f.changes {
				if err := image.ApplyChange(&n.Config.Config, change); err != nil {
					return err
				}
			}
			ctx, caught := untilSignal(cmd.Context())
			id, err := c.images().Add(ctx, n)
			if sig := caught(); sig != 0 && err != nil {
				return &exitError{code: 128 + int(sig), err: errors.New("import interrupted")}
			}
			if err == nil {
				fmt.Fprintln(c.out, id)
			}
			return err
		},
	}
	cmd.Flags().StringArrayVarP(&f.changes, "change", "c", nil, "Apply Dockerfile instruction to the created image")
	cmd.Flags().StringVarP(&f.message, "message", "m", "", "Set commit message for imported image")
	return cmd
}
