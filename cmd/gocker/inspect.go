package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gocker/container"
	"gocker/image"

	"github.com/spf13/cobra"
)

// inspectFlags are those of inspect.
type inspectFlags struct {
	format, kind string
	size         bool
}

// newInspectOf is inspect in a group: of one kind of objects.
func newInspectOf(c *cli, kind string) *cobra.Command {
	f := inspectFlags{kind: kind}
	cmd := &cobra.Command{
		Use:   fmt.Sprintf("inspect [OPTIONS] %s [%[1]s...]", strings.ToUpper(kind)),
		Short: "Display detailed information on one or more " + kind + "s",
		Args:  minArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return c.inspect(args, f) },
	}
	cmd.Flags().StringVarP(&f.format, "format", "f", "", "Format output: json, or a Go template")
	if kind == "container" {
		cmd.Flags().BoolVarP(&f.size, "size", "s", false, "Display total file sizes")
	}
	return cmd
}

func newInspectCommand(c *cli) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:                   "inspect [OPTIONS] NAME|ID [NAME|ID...]",
		Short:                 "Return low-level information on containers, images and volumes",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("type") {
				return c.inspect(args, f)
			}
			switch f.kind {
			case "container", "image", "volume":
				return c.inspect(args, f)
			case "":
				return errors.New(`type is empty: must be one of "container", "image", "volume"`)
			}
			return fmt.Errorf(`unknown type: %q: must be one of "container", "image", "volume"`, f.kind)
		},
	}
	cmd.Flags().StringVarP(&f.format, "format", "f", "", "Format output: json, or a Go template")
	cmd.Flags().BoolVarP(&f.size, "size", "s", false, "Display total file sizes if the type is container")
	cmd.Flags().StringVar(&f.kind, "type", "", "Only inspect objects of the given type: container, image or volume")
	return cmd
}

// inspect prints what is found, and then says what is not.
func (c *cli) inspect(names []string, f inspectFlags) error {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return err
	}
	var found []any
	var failed []string
	for _, name := range names {
		object, err := c.findObject(store, name, f)
		if err != nil {
			failed = append(failed, err.Error())
			continue
		}
		found = append(found, object)
	}
	var out bytes.Buffer
	if f.format == "" || f.format == "json" {
		err = writeObjects(&out, found, f.format == "")
	} else {
		err = writeTemplates(&out, found, f.format, &failed)
	}
	if err != nil {
		return err
	}
	if _, err := c.out.Write(out.Bytes()); err != nil {
		return err
	}
	if failed != nil {
		return errors.New(strings.Join(failed, "\n"))
	}
	return nil
}

// writeObjects writes a list in JSON.
func writeObjects(out *bytes.Buffer, objects []any, indented bool) error {
	if objects == nil {
		objects = []any{}
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if indented {
		e.SetIndent("", "    ")
	}
	return e.Encode(objects)
}

// writeTemplates writes a line for each object, and adds to failed those that the
// template doesn't fit. Like docker it writes an empty line when there is nothing.
func writeTemplates(out *bytes.Buffer, objects []any, format string, failed *[]string) error {
	for _, o := range objects {
		err := printOne(out, format, o)
		if exit := new(exitError); errors.As(err, &exit) {
			return err // no template at all
		}
		if err != nil {
			*failed = append(*failed, err.Error())
		}
	}
	if out.Len() == 0 {
		out.WriteByte('\n')
	}
	return nil
}

// findObject returns the container of that name or ID, else the image, else the
// volume.
func (c *cli) findObject(store *container.Store, name string, f inspectFlags) (any, error) {
	if f.kind == "volume" {
		v, err := store.Volume(name)
		if err != nil {
			return nil, err
		}
		return describeVolume(v), nil
	}
	if f.kind != "image" {
		ctr, err := store.Get(name)
		if err == nil {
			return describeContainer(ctr, f.size)
		}
		if f.kind == "container" || !errors.Is(err, container.ErrNotFound) {
			return nil, err
		}
	}
	images := c.images()
	img, err := images.Get(name)
	switch {
	case err == nil:
		if f.size {
			fmt.Fprintln(c.err, "WARNING: --size ignored for image")
		}
		return describeImage(images, img, c.root)
	case f.kind == "image":
		return nil, err
	}
	if v, err := store.Volume(name); err == nil {
		return describeVolume(v), nil
	}
	// What can't be an image's name is none of a missing object's.
	if _, invalid := image.ParseReference(name); invalid != nil || errors.Is(err, image.ErrNotFound) {
		return nil, fmt.Errorf("Error: No such object: %s", name) // docker's words
	}
	return nil, err
}
