package main

import (
	"fmt"
	"strconv"
	"time"

	"gocker/container"
	"gocker/image"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

func newSystemDfCommand(c *cli) *cobra.Command {
	var verbose bool
	var format string
	cmd := &cobra.Command{
		Use:   "df [OPTIONS]",
		Short: "Show disk usage",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			u, err := c.diskUsage()
			if err != nil {
				return err
			}
			if verbose {
				return u.printVerbose(c)
			}
			return printRows(c.out, format, rowFormat{table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", headers: dfHeaders}, u.summary())
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "Format output: table, table TEMPLATE, json, or a Go template")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "Show detailed information on space usage")
	return cmd
}

// diskUsage is what lies below the root.
type diskUsage struct {
	images     []imageUsage
	layers     map[string]int64 // size of each layer of an image
	containers []containerUsage
	volumes    []volumeUsage
}

type imageUsage struct {
	*image.Image
	containers int
}

type containerUsage struct {
	*container.Container
	written int64
}

type volumeUsage struct {
	*container.Volume
	bytes int64
}

func (c *cli) diskUsage() (*diskUsage, error) {
	store, err := container.Open(c.root, c.runRoot)
	if err != nil {
		return nil, err
	}
	containers, err := store.List()
	if err != nil {
		return nil, err
	}
	u := &diskUsage{layers: map[string]int64{}}
	made := map[string]int{}
	for _, ctr := range containers {
		written, _, err := ctr.Size()
		if err != nil {
			return nil, err
		}
		u.containers = append(u.containers, containerUsage{ctr, written})
		made[ctr.ImageID]++
	}
	images := c.images()
	all, err := images.List()
	if err != nil {
		return nil, err
	}
	layers, err := images.Layers()
	if err != nil {
		return nil, err
	}
	for _, img := range all {
		u.images = append(u.images, imageUsage{img, made[img.ID]})
		for _, id := range img.ChainIDs {
			if u.layers[id], err = layers.Size(id); err != nil {
				return nil, fmt.Errorf("size of image %s: %w", shortID(img.ID), err)
			}
		}
	}
	volumes, err := store.Volumes()
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		bytes, err := v.Size()
		if err != nil {
			return nil, err
		}
		u.volumes = append(u.volumes, volumeUsage{v, bytes})
	}
	return u, nil
}

// dfRow is a line of system df. Its fields have the names that docker gives them.
type dfRow struct {
	Active      string
	Reclaimable string
	Size        string
	TotalCount  string
	Type        string
}

var dfHeaders = map[string]string{
	"Active": "ACTIVE", "Reclaimable": "RECLAIMABLE", "Size": "SIZE", "TotalCount": "TOTAL", "Type": "TYPE",
}

// space is a line of system df as numbers.
type space struct {
	total, active int
	bytes, free   int64
}

func (s space) row(kind string) dfRow {
	free := units.HumanSize(float64(s.free))
	if s.bytes > 0 && kind != "Build Cache" {
		free = fmt.Sprintf("%s (%d%%)", free, s.free*100/s.bytes)
	}
	return dfRow{
		Type: kind, TotalCount: strconv.Itoa(s.total), Active: strconv.Itoa(s.active),
		Size: units.HumanSize(float64(s.bytes)), Reclaimable: free,
	}
}

func (u *diskUsage) summary() []dfRow {
	images, containers, volumes := space{total: len(u.images)}, space{total: len(u.containers)}, space{total: len(u.volumes)}
	used := map[string]bool{}
	for _, img := range u.images {
		if img.containers > 0 {
			images.active++
			for _, id := range img.ChainIDs {
				used[id] = true
			}
		}
	}
	for id, bytes := range u.layers {
		images.bytes += bytes
		if !used[id] {
			images.free += bytes
		}
	}
	for _, ctr := range u.containers {
		containers.bytes += ctr.written
		if ctr.State.Status == container.Running {
			containers.active++
		} else {
			containers.free += ctr.written
		}
	}
	for _, v := range u.volumes {
		volumes.bytes += v.bytes
		if len(v.Users) > 0 {
			volumes.active++
		} else {
			volumes.free += v.bytes
		}
	}
	return []dfRow{
		images.row("Images"), containers.row("Containers"), volumes.row("Local Volumes"),
		space{}.row("Build Cache"), // there is none
	}
}

// dfVolumeRow is a line of system df -v.
type dfVolumeRow struct {
	Links string
	Name  string
	Size  string
}

func (u *diskUsage) printVerbose(c *cli) error {
	fmt.Fprint(c.out, "Images space usage:\n\n")
	rows := []imageRow{}
	for _, img := range u.images {
		rows = append(rows, u.imageRows(img)...)
	}
	table := "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}"
	if err := printRows(c.out, "", rowFormat{table: table, headers: imageHeaders}, rows); err != nil {
		return err
	}

	fmt.Fprint(c.out, "\nContainers space usage:\n\n")
	view := psView{now: time.Now(), imageID: imageIDs(c.images())}
	var containers []psRow
	for _, ctr := range u.containers {
		row, err := view.row(ctr.Container)
		if err != nil {
			return err
		}
		row.Size = units.HumanSize(float64(ctr.written))
		containers = append(containers, row)
	}
	table = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}"
	if err := printRows(c.out, "", rowFormat{table: table, headers: psHeaders}, containers); err != nil {
		return err
	}

	fmt.Fprint(c.out, "\nLocal Volumes space usage:\n\n")
	var volumes []dfVolumeRow
	for _, v := range u.volumes {
		volumes = append(volumes, dfVolumeRow{Name: v.Name, Links: strconv.Itoa(len(v.Users)), Size: units.HumanSize(float64(v.bytes))})
	}
	headers := map[string]string{"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
	if err := printRows(c.out, "", rowFormat{table: "{{.Name}}\t{{.Links}}\t{{.Size}}", headers: headers}, volumes); err != nil {
		return err
	}
	fmt.Fprint(c.out, "\nBuild cache usage: 0B\n\n")
	return nil
}

// imageRows are an image's lines, with how much of it other images have too.
func (u *diskUsage) imageRows(img imageUsage) []imageRow {
	var total, shared int64
	for _, id := range img.ChainIDs {
		total += u.layers[id]
		if u.isShared(id) {
			shared += u.layers[id]
		}
	}
	rows := imageRows(img.Image, total, false, false)
	for i := range rows {
		rows[i].SharedSize = units.HumanSize(float64(shared))
		rows[i].UniqueSize = units.HumanSize(float64(total - shared))
		rows[i].Containers = strconv.Itoa(img.containers)
	}
	return rows
}

// isShared reports whether several images have a layer.
func (u *diskUsage) isShared(layer string) bool {
	n := 0
	for _, img := range u.images {
		for _, id := range img.ChainIDs {
			if id == layer {
				n++
			}
		}
	}
	return n > 1
}
