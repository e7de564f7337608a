package main

import (
	"strings"

	"gocker/container"
)

// configObject is a container's Config. OnBuild is for builds, and stays empty.
type configObject struct {
	container.Config
	OnBuild []string
}

// hostConfigObject is a container's HostConfig with its mounts in docker's form.
// Records leave out what was not asked for; docker shows that too.
type hostConfigObject struct {
	container.HostConfig
	Binds             []string
	VolumeDriver      string
	VolumesFrom       []string
	CgroupnsMode      string
	Dns               []string
	DnsOptions        []string
	DnsSearch         []string
	ExtraHosts        []string
	GroupAdd          []string
	IpcMode           string
	Links             []string
	OomScoreAdj       int
	PidMode           string
	SecurityOpt       []string
	UTSMode           string
	UsernsMode        string
	CgroupParent      string
	CpuPeriod         int64
	CpuQuota          int64
	CpusetMems        string
	Devices           []container.DeviceMapping
	DeviceCgroupRules []string
	MemorySwappiness  *int64
	OomKillDisable    bool
	Mounts            []mountObject `json:",omitempty"`
}

func describeHostConfig(h *container.HostConfig) hostConfigObject {
	o := hostConfigObject{
		HostConfig: *h, VolumesFrom: h.VolumesFrom, CgroupnsMode: h.CgroupnsMode,
		Dns: list(h.Dns), DnsOptions: list(h.DnsOptions), DnsSearch: list(h.DnsSearch),
		ExtraHosts: h.ExtraHosts, GroupAdd: h.GroupAdd, IpcMode: h.IpcMode, OomScoreAdj: h.OomScoreAdj,
		PidMode: h.PidMode, SecurityOpt: h.SecurityOpt, UTSMode: h.UTSMode,
		CpuPeriod: h.CpuPeriod, CpuQuota: h.CpuQuota, CpusetMems: h.CpusetMems,
		Devices: append([]container.DeviceMapping{}, h.Devices...), DeviceCgroupRules: h.DeviceCgroupRules,
		MemorySwappiness: h.MemorySwappiness, OomKillDisable: h.OomKillDisable,
		Mounts: describeMounts(h),
	}
	if o.CgroupnsMode == "" {
		o.CgroupnsMode = "private"
	}
	if o.IpcMode == "" {
		o.IpcMode = "private"
	}
	for _, bind := range h.Binds {
		if strings.Contains(bind, ":") { // a path alone is a new volume
			o.Binds = append(o.Binds, bind)
		}
	}
	return o
}

// list is a list that docker never shows as null.
func list(l []string) []string { return append([]string{}, l...) }
