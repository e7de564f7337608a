package main

import (
	"os"
	"strconv"
	"strings"

	"gocker/container"
)

// mountObject is a mount of --mount as inspect prints it.
type mountObject struct {
	Type          string
	Source        string `json:",omitempty"`
	Target        string
	ReadOnly      bool           `json:",omitempty"`
	BindOptions   *bindOptions   `json:",omitempty"`
	VolumeOptions *volumeOptions `json:",omitempty"`
	TmpfsOptions  *tmpfsOptions  `json:",omitempty"`
}

type bindOptions struct {
	Propagation            string `json:",omitempty"`
	NonRecursive           bool   `json:",omitempty"`
	CreateMountpoint       bool   `json:",omitempty"`
	ReadOnlyNonRecursive   bool   `json:",omitempty"`
	ReadOnlyForceRecursive bool   `json:",omitempty"`
}

type volumeOptions struct {
	NoCopy       bool              `json:",omitempty"`
	Labels       map[string]string `json:",omitempty"`
	DriverConfig *driverConfig     `json:",omitempty"`
}

type driverConfig struct {
	Name    string            `json:",omitempty"`
	Options map[string]string `json:",omitempty"`
}

type tmpfsOptions struct {
	SizeBytes int64       `json:",omitempty"`
	Mode      os.FileMode `json:",omitempty"`
}

// describeMounts returns the mounts of --mount. Those of -v, which come first, are
// Binds.
func describeMounts(h *container.HostConfig) []mountObject {
	var objects []mountObject
	for _, m := range h.Mounts[min(len(h.Binds), len(h.Mounts)):] {
		o := mountObject{Type: m.Type, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		bind := bindOptions{m.Propagation, m.NonRecursive, m.CreateSource, m.ReadOnlyNonRecursive, m.ReadOnlyForceRecursive}
		if bind != (bindOptions{}) {
			o.BindOptions = &bind
		}
		volume := volumeOptions{NoCopy: m.NoCopy, Labels: m.Labels}
		if m.Driver != "" || m.DriverOptions != nil {
			volume.DriverConfig = &driverConfig{m.Driver, m.DriverOptions}
		}
		if volume.NoCopy || volume.Labels != nil || volume.DriverConfig != nil {
			o.VolumeOptions = &volume
		}
		if m.Type == "tmpfs" && m.Options != nil {
			o.TmpfsOptions = describeTmpfs(m.Options)
		}
		objects = append(objects, o)
	}
	return objects
}

// describeTmpfs reads back what tmpfs-size and tmpfs-mode have said.
func describeTmpfs(options []string) *tmpfsOptions {
	o := new(tmpfsOptions)
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "size":
			o.SizeBytes, _ = strconv.ParseInt(value, 10, 64)
		case "mode":
			mode, _ := strconv.ParseUint(value, 8, 32)
			o.Mode = os.FileMode(mode)
		}
	}
	return o
}

// describeMountPoints returns the mounts as docker shows them: with the mode of
// -v as it was given, and a propagation where there is a directory of the host.
func describeMountPoints(ctr *container.Container) []container.MountPoint {
	points := append([]container.MountPoint{}, ctr.Mounts...)
	for i := range points {
		m := &points[i]
		switch {
		case i < len(ctr.HostConfig.Binds):
			m.Mode = modeOf(ctr.HostConfig.Binds[i])
		case i < len(ctr.HostConfig.Mounts):
			m.Mode = ""
		}
		if m.Type == "volume" && m.Mode == "" && i < len(ctr.HostConfig.Binds) && !m.Anonymous {
			m.Mode = "z" // so that it can be shared, where there are labels
		}
		if m.Type != "bind" {
			m.Propagation = ""
		}
		m.Anonymous, m.Borrowed, m.Device = false, false, "" // not docker's
	}
	return points
}

// modeOf is the last part of SOURCE:TARGET:MODE.
func modeOf(bind string) string {
	if parts := strings.SplitN(bind, ":", 3); len(parts) == 3 {
		return parts[2]
	}
	return ""
}
