package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gocker/container"
	"gocker/image"
	"gocker/layers"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// What inspect prints has docker's names in docker's order (moby, api/types).
// Fields of things that gocker doesn't have are left out. Times are texts, so
// that templates print them as JSON does.

// containerObject is a container.
type containerObject struct {
	ID              string `json:"Id"`
	Created         string
	Path            string
	Args            []string
	State           stateObject
	Image           string // the ID
	Rootfs          string `json:",omitempty"` // the directory in the image's place
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath         string
	Name            string
	RestartCount    int
	Driver          string
	Platform        string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
	HostConfig      hostConfigObject
	GraphDriver     driverObject
	SizeRw          *int64 `json:",omitempty"`
	SizeRootFs      *int64 `json:",omitempty"`
	Mounts          []container.MountPoint
	Config          configObject
	NetworkSettings networkObject
}

type stateObject struct {
	Status     string
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  string
	FinishedAt string
	Health     *container.Health `json:",omitempty"`
}

// driverObject says how a root is put together: directories of an overlay.
type driverObject struct {
	Data map[string]string
	Name string
}

type networkObject struct {
	Ports      map[string][]string
	Gateway    string
	IPAddress  string
	MacAddress string
	Networks   map[string]endpointObject
}

type endpointObject struct {
	Gateway     string
	IPAddress   string
	IPPrefixLen int
	MacAddress  string
}

const storageDriver = "overlay"

func describeContainer(ctr *container.Container, size bool) (*containerObject, error) {
	o := &containerObject{
		ID: ctr.ID, Created: timeText(ctr.Created), Path: ctr.Path, Args: ctr.Args,
		State:          describeState(ctr.State),
		Image:          ctr.ImageID,
		Rootfs:         ctr.Rootfs,
		ResolvConfPath: filepath.Join(ctr.Bundle(), "resolv.conf"),
		HostnamePath:   filepath.Join(ctr.Bundle(), "hostname"),
		HostsPath:      filepath.Join(ctr.Bundle(), "hosts"),
		Name:           "/" + ctr.Name,
		RestartCount:   ctr.State.RestartCount,
		Driver:         storageDriver,
		Platform:       "linux",
		HostConfig:     describeHostConfig(&ctr.HostConfig),
		GraphDriver:    describeRoot(ctr),
		Mounts:         describeMountPoints(ctr),
		Config:         configObject{Config: ctr.Config},
		NetworkSettings: networkObject{
			Ports:    map[string][]string{},
			Networks: map[string]endpointObject{ctr.HostConfig.NetworkMode: {}},
		},
	}
	if l, ok := ctr.Lease(); ok {
		n := &o.NetworkSettings
		n.Gateway, n.IPAddress, n.MacAddress = l.Gateway.String(), l.Address.Addr().String(), l.MAC
		n.Networks[ctr.HostConfig.NetworkMode] = endpointObject{
			Gateway: n.Gateway, IPAddress: n.IPAddress, IPPrefixLen: l.Address.Bits(), MacAddress: l.MAC,
		}
	}
	if !ctr.State.StartedAt.IsZero() {
		o.LogPath = ctr.LogPath()
	}
	if size {
		written, total, err := ctr.Size()
		if err != nil {
			return nil, err
		}
		o.SizeRw, o.SizeRootFs = &written, &total
	}
	return o, nil
}

func describeState(s container.State) stateObject {
	return stateObject{
		Status: s.Word(), Running: s.Up(), Restarting: s.Status == container.Restarting, Paused: s.Paused,
		OOMKilled: s.OOMKilled, Pid: s.Pid, ExitCode: s.ExitCode, Error: s.Error,
		StartedAt: timeText(s.StartedAt), FinishedAt: timeText(s.FinishedAt),
		Health: s.Health,
	}
}

// describeRoot tells the parts of the container's overlay. It is mounted in the
// container's own mount namespace: the host sees it through /proc, while it runs.
func describeRoot(ctr *container.Container) driverObject {
	overlay := ctr.Overlay()
	o := driverObject{Name: storageDriver, Data: map[string]string{
		"LowerDir": strings.Join(overlay.Lower, ":"),
		"UpperDir": overlay.Upper,
		"WorkDir":  overlay.Work,
	}}
	if ctr.State.Status == container.Running {
		o.Data["MergedDir"] = filepath.Join("/proc", strconv.Itoa(ctr.State.Pid), "root")
	}
	return o
}

// imageObject is an image.
type imageObject struct {
	ID           string `json:"Id"`
	RepoTags     []string
	RepoDigests  []string
	Comment      string
	Created      string
	Author       string
	Config       v1.Config
	Architecture string
	Variant      string `json:",omitempty"`
	Os           string
	Size         int64
	GraphDriver  driverObject
	RootFS       rootObject
}

type rootObject struct {
	Type   string
	Layers []string // diff IDs, bottom to top
}

func describeImage(images *image.Store, img *image.Image, root string) (*imageObject, error) {
	size, err := images.Size(img)
	if err != nil {
		return nil, err
	}
	config := img.Config
	o := &imageObject{
		ID:           img.ID,
		RepoTags:     append([]string{}, img.Tags()...),
		RepoDigests:  append([]string{}, img.Digests()...),
		Author:       config.Author,
		Config:       config.Config,
		Architecture: config.Architecture,
		Variant:      config.Variant,
		Os:           config.OS,
		Size:         size,
		GraphDriver:  driverObject{Name: storageDriver, Data: map[string]string{}},
		RootFS:       rootObject{Type: "layers", Layers: append([]string{}, img.DiffIDs...)},
	}
	if n := len(config.History); n > 0 {
		o.Comment = config.History[n-1].Comment
	}
	if created := img.Created(); !created.IsZero() {
		o.Created = timeText(created)
	}
	store, err := layers.Open(root)
	if err != nil {
		return nil, err
	}
	if stack := store.Stack(img.ChainIDs); len(stack) > 0 {
		o.GraphDriver.Data["UpperDir"] = stack[0]
		if len(stack) > 1 {
			o.GraphDriver.Data["LowerDir"] = strings.Join(stack[1:], ":")
		}
	}
	return o, nil
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
