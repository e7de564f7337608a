package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"gocker/image"
	"gocker/layers"

	"github.com/spf13/cobra"
)

func newPullCommand(c *cli) *cobra.Command {
	var platform string
	var quiet bool
	cmd := &cobra.Command{
		Use:                   "pull [OPTIONS] NAME[:TAG|@DIGEST]",
		Short:                 "Download an image from a registry",
		Args:                  exactArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := c.pull(cmd.Context(), args[0], platform, c.out, quiet); err != nil {
				return err
			}
			ref, err := image.ParseReference(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, ref)
			return err
		},
	}
	cmd.Flags().StringVar(&platform, "platform", "", "Set platform if the registry has several, such as linux/arm64")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "Suppress verbose output")
	return cmd
}

// pull brings an image into the store and prints docker's lines to w, but for the
// last one, the reference; with quiet it prints nothing. A signal ends the pull:
// then the store is as it was, and the error has exit code 128+n.
func (c *cli) pull(ctx context.Context, name, platform string, w io.Writer, quiet bool) (*image.Image, error) {
	ref, err := image.ParseReference(name)
	if err != nil {
		return nil, err
	}
	options := image.PullOptions{Platform: platform}
	if quiet {
		w = io.Discard
	} else {
		if !image.HasTag(name) {
			fmt.Fprintln(w, "Using default tag: "+ref.Tag)
		}
		options.Progress = pullProgress(w, ref)
	}
	ctx, caught := untilSignal(ctx)
	img, result, err := c.images().Pull(ctx, name, options)
	if sig := caught(); sig != 0 && err != nil {
		return nil, &exitError{code: 128 + int(sig), err: fmt.Errorf("pull of %s interrupted", ref.Familiar())}
	}
	if err != nil {
		return nil, err
	}
	c.note("pull", result.Reference.Familiar(), result.Reference.FamiliarName())
	status := "Image is up to date for"
	if result.Updated {
		status = "Downloaded newer image for"
	}
	fmt.Fprintf(w, "Digest: %s\nStatus: %s %s\n", result.Digest, status, result.Reference.Familiar())
	return img, nil
}

// pullProgress prints what a pull says: bars on a terminal, docker's plain lines
// elsewhere.
func pullProgress(w io.Writer, ref image.Reference) func(image.Event) {
	what := ref.Tag
	if ref.Digest != "" {
		ref.Tag = ""
		what = ref.String()
	}
	layer := func(e image.Event) {
		if text := layerState(e.State); text != "" {
			fmt.Fprintf(w, "%s: %s\n", e.Layer, text)
		}
	}
	if f, ok := w.(*os.File); ok {
		if b := newBars(f); b != nil {
			layer = b.show
		}
	}
	return func(e image.Event) {
		if e.State == image.Resolved {
			fmt.Fprintf(w, "%s: Pulling from %s\n", what, ref.Path)
			return
		}
		layer(e)
	}
}

// layerState is docker's word for a layer's state, empty for what only a bar shows.
func layerState(s image.State) string {
	switch s {
	case image.AlreadyExists:
		return "Already exists"
	case image.Waiting:
		return "Pulling fs layer"
	case image.DownloadComplete:
		return "Download complete"
	case image.PullComplete:
		return "Pull complete"
	}
	return ""
}

// untilSignal returns a context that ends at SIGINT, SIGTERM or SIGHUP. The function
// stops listening and returns the signal that came, 0 for none.
func untilSignal(ctx context.Context) (context.Context, func() syscall.Signal) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	caught := make(chan syscall.Signal, 1)
	go func() {
		var sig syscall.Signal
		select {
		case s := <-signals:
			sig, _ = s.(syscall.Signal)
			cancel()
		case <-ctx.Done():
		}
		caught <- sig
	}()
	return ctx, func() syscall.Signal {
		signal.Stop(signals)
		cancel()
		return <-caught
	}
}

// images is the image store with its neighbours, which it doesn't know itself.
func (c *cli) images() *image.Store {
	s := image.Open(c.root)
	s.Users = c.imageUsers
	s.Layers = func() (image.Layers, error) {
		l, err := layers.Open(c.root)
		return layerStore{l}, err
	}
	return s
}

// layerStore is the layers in the shape that images ask for.
type layerStore struct{ *layers.Store }

func (l layerStore) Stage(ctx context.Context, r io.Reader) (image.Staged, error) {
	staged, err := l.Store.Stage(ctx, r)
	if err != nil {
		return nil, err // not a nil pointer in a Staged
	}
	return staged, nil
}

func (l layerStore) List() ([]string, error) {
	infos, err := l.Store.List()
	var ids []string
	for _, i := range infos {
		ids = append(ids, i.ChainID)
	}
	return ids, err
}
