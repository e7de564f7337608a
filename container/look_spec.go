package container

import (
	"errors"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// foresee is the view of a container of which only the disk and config.json can
// tell, but for its limits: see [View.foreseeLimits].
func (c *Container) foresee(spec *Spec) (*View, error) {
	if spec.Process == nil || spec.Linux == nil || spec.Root == nil {
		return nil, errors.New("config.json: no process, root or linux section")
	}
	v := c.head(spec)
	v.Namespaces = foreseenNamespaces(spec)
	v.Mounts = foreseenMounts(spec)
	v.Privileges = foreseenPrivileges(spec)
	v.Network = NetworkView{Mode: c.HostConfig.NetworkMode, Shared: !spec.has(specs.NetworkNamespace)}
	v.Root = RootView{Type: "overlay", ReadOnly: spec.Root.Readonly}
	if spec.lacks(wallOverlay) {
		v.Root.Type = "bind"
		v.Root.Layers = []LayerView{{Dir: c.Rootfs, Writable: !spec.Root.Readonly}}
		return v, v.Root.sizes(c)
	}
	for _, dir := range slices.Backward(c.lowerStack()) {
		v.Root.Layers = append(v.Root.Layers, LayerView{Dir: dir})
	}
	o := c.Overlay()
	v.Root.Layers, v.Root.Work = append(v.Root.Layers, LayerView{Dir: o.Upper, Writable: true}), o.Work
	return v, v.Root.sizes(c)
}

// foreseeLimits fills in what the container's control group would be told. The
// error is that of a run: this host does not have what is asked for.
func (v *View) foreseeLimits(spec *Spec) error {
	h, err := lookAtHost()
	if err != nil {
		return err
	}
	group, err := h.cgroups.Group(spec.Linux.CgroupsPath, spec.Linux.Resources)
	if err != nil {
		return err
	}
	v.Cgroups = group.Limits()
	return nil
}

// specNamespaces are the words of the OCI runtime spec for [namespaceTypes].
var specNamespaces = map[string]specs.LinuxNamespaceType{
	"cgroup": specs.CgroupNamespace, "ipc": specs.IPCNamespace, "mnt": specs.MountNamespace,
	"net": specs.NetworkNamespace, "pid": specs.PIDNamespace, "time": specs.TimeNamespace,
	"user": specs.UserNamespace, "uts": specs.UTSNamespace,
}

func foreseenNamespaces(spec *Spec) []NamespaceView {
	var all []NamespaceView
	for _, t := range namespaceTypes {
		all = append(all, NamespaceView{Type: t, Shared: !spec.has(specNamespaces[t])})
	}
	return all
}

// foreseenMounts are the spec's, with the paths that it hides or protects.
func foreseenMounts(spec *Spec) []MountView {
	var all []MountView
	for _, m := range spec.Mounts {
		all = append(all, MountView{Target: m.Destination, Type: m.Type, Source: m.Source, Options: strings.Join(m.Options, ",")})
	}
	for _, path := range spec.Linux.MaskedPaths {
		all = append(all, MountView{Target: path, Type: "masked"})
	}
	for _, path := range spec.Linux.ReadonlyPaths {
		all = append(all, MountView{Target: path, Type: "read-only"})
	}
	return all
}

func foreseenPrivileges(spec *Spec) PrivilegesView {
	user := spec.Process.User
	v := PrivilegesView{
		UID: user.UID, GID: user.GID, Groups: user.AdditionalGids,
		NoNewPrivs: spec.Process.NoNewPrivileges, Seccomp: seccompWord(0),
	}
	if caps := spec.Process.Capabilities; caps != nil {
		v.Bounding, v.Effective = capWords(capSet(caps.Bounding)), capWords(capSet(caps.Effective))
		v.Permitted = capWords(capSet(caps.Permitted))
		v.Inheritable, v.Ambient = capWords(capSet(caps.Inheritable)), capWords(capSet(caps.Ambient))
	}
	return v
}
