package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gocker/container"
	"gocker/container/step"
	"gocker/image"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runFlags are those of run that are not the container's.
type runFlags struct {
	create  createFlags
	detach  bool
	client  clientFlags
	explain explanation
}

func newRunCommand(c *cli) *cobra.Command {
	f := new(runFlags)
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] IMAGE [COMMAND] [ARG...]",
		Short: "Create and run a new container from an image",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.create.needImage(cmd, args); err != nil {
				return err
			}
			code, err := c.runContainer(cmd.Context(), f, cmd, args)
			if err != nil {
				err = fmt.Errorf("gocker: %w\n\nRun 'gocker run --help' for more information", err)
			}
			if code != 0 || err != nil {
				return &exitError{code: code, err: err}
			}
			return nil
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *runFlags) register(flags *pflag.FlagSet) {
	flags.SetInterspersed(false)
	f.create.register(flags)
	flags.BoolVarP(&f.detach, "detach", "d", false, "Run container in background and print container ID")
	f.client.register(flags)
	flags.Bool("help", false, "Print usage") // -h is the host name, as in docker
	f.explain.register(flags)
}

// runContainer returns the exit code of run, and an error to be shown.
func (c *cli) runContainer(ctx context.Context, f *runFlags, cmd *cobra.Command, args []string) (int, error) {
	opts, err := f.create.options(cmd.Flags(), args)
	if err != nil {
		return 125, err
	}
	if err := f.create.attachTo(&opts.Config, f.detach); err != nil {
		return 125, err
	}
	if f.explain.wanted() {
		if err := c.explain(f.explain, opts, args, (*container.Store).ExplainRun); err != nil {
			return 125, err
		}
		return 0, nil
	}
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return 125, err
	}
	cl := new(client)
	if !f.detach {
		var code int
		if cl, code, err = c.newClient(opts.Config.Tty, opts.Config.StdinOnce, f.client.keys); err != nil {
			return code, err
		}
	}
	ctr, err := c.createContainer(ctx, store, &f.create, opts, args)
	if err != nil {
		return 125, err
	}
	if f.detach {
		return c.background(store, ctr)
	}
	if cl.keep(&opts.Config); cl.streams.Out == nil && cl.streams.Err == nil {
		return c.feed(store, ctr, cl, f.client.proxies(ctr))
	}
	return c.foreground(store, ctr, cl, f.client.proxies(ctr))
}

// background starts a container that goes on by itself. The code is that of the
// error.
func (c *cli) background(store *container.Store, ctr *container.Container) (code int, err error) {
	monitor, err := store.Start(ctr, container.Streams{})
	if err != nil {
		return startFailure(err), withHint(err)
	}
	fmt.Fprintln(c.out, ctr.ID)
	return 0, monitor.Leave()
}

// foreground starts a container, waits for it, and returns its exit code, or
// that of the error. With signals, those that this process is sent are the
// command's.
func (c *cli) foreground(store *container.Store, ctr *container.Container, cl *client, signals chan os.Signal) (code int, err error) {
	monitor, err := store.Start(ctr, cl.streams)
	if err != nil {
		cl.restore()
		return startFailure(err), withHint(err)
	}
	return c.stay(monitor, cl, signals)
}

// startFailure is the exit code for a container that did not start.
func startFailure(err error) int {
	var failed *container.StartError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return 125
}

func withHint(err error) error {
	if hint := step.Hint(err); hint != "" {
		return fmt.Errorf("%w\nhint: %s", err, hint)
	}
	return err
}

// createContainer finds or pulls the image and creates the container. Until
// the container's record names them, a lock keeps the image's layers.
func (c *cli) createContainer(ctx context.Context, store *container.Store, f *createFlags, opts container.Options, args []string) (*container.Container, error) {
	cidfile, err := f.openCidfile()
	if err != nil {
		return nil, err
	}
	defer cidfile.close()
	if opts.Rootfs == "" {
		images := c.images()
		held, err := images.Hold(ctx)
		if err != nil {
			return nil, err
		}
		defer held.Close()
		if opts.Image, err = c.findImage(ctx, images, f, args[0]); err != nil {
			return nil, err
		}
	}
	calmSysmon()
	ctr, warnings, err := store.Create(opts)
	for _, w := range warnings {
		fmt.Fprintln(c.err, "WARNING: "+w)
	}
	if err != nil {
		return nil, err
	}
	return ctr, cidfile.write(ctr.ID)
}

// findImage looks an image up and pulls it as --pull says.
func (c *cli) findImage(ctx context.Context, images *image.Store, f *createFlags, name string) (*container.Image, error) {
	var img *image.Image
	var err error
	if f.pull != "always" {
		img, err = images.Get(name)
		if err == nil && f.platform != "" && !samePlatform(f.platform, img.Platform()) {
			err = image.ErrNotFound
		}
	}
	missing := errors.Is(err, image.ErrNotFound)
	switch {
	case err != nil && !missing:
		return nil, err
	case missing && f.pull == "never":
		return nil, fmt.Errorf("No such image: %s", familiar(name)) //nolint // docker's words
	case missing || f.pull == "always":
		progress := c.err
		if f.quiet {
			progress = io.Discard
		}
		if missing {
			fmt.Fprintf(progress, "Unable to find image '%s' locally\n", familiar(name))
		}
		if img, err = c.pull(ctx, name, f.platform, progress, f.quiet); err != nil {
			return nil, err
		}
	}
	return containerImage(name, img), nil
}

func containerImage(name string, img *image.Image) *container.Image {
	return &container.Image{Name: name, ID: img.ID, Platform: img.Platform(), Config: img.Config.Config, Layers: img.ChainIDs}
}

func familiar(name string) string {
	if ref, err := image.ParseReference(name); err == nil {
		return ref.Familiar()
	}
	return name
}

// samePlatform reports whether an image's platform is the one asked for, which
// may leave out the variant.
func samePlatform(want, have string) bool {
	return want == have || len(have) > len(want) && have[:len(want)] == want && have[len(want)] == '/'
}

// explain prints what would be done with a container of these options, and does
// nothing.
func (c *cli) explain(e explanation, opts container.Options, args []string, what func(*container.Store, container.Options) (*step.Script, error)) error {
	if opts.Rootfs == "" {
		var err error
		if opts.Image, err = c.presentImage(args[0]); err != nil {
			return err
		}
	}
	for _, line := range opts.HostConfig.Unsafe() {
		fmt.Fprintln(c.err, "WARNING: "+line)
	}
	store := &container.Store{Root: c.root, RunRoot: c.runRoot}
	script, err := what(store, opts)
	if err != nil {
		return err
	}
	return e.print(c, script)
}

// presentImage finds an image that need not be pulled.
func (c *cli) presentImage(name string) (*container.Image, error) {
	img, err := c.images().Get(name)
	if errors.Is(err, image.ErrNotFound) {
		return nil, fmt.Errorf("unable to find image '%s' locally: to explain does not pull: run 'gocker pull %s' first", familiar(name), name)
	}
	if err != nil {
		return nil, err
	}
	return containerImage(name, img), nil
}
