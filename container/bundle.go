package container

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Spec is a container as the OCI runtime spec describes it: the part of its
// config.json that gocker writes and reads. Type specs.Spec would do as well,
// but package encoding/json looks at every field of a type when it first meets
// it, and that one has the fields of five operating systems: 1 ms whenever one is
// read.
type Spec struct {
	Version  string        `json:"ociVersion"`
	Process  *SpecProcess  `json:"process,omitempty"`
	Root     *specs.Root   `json:"root,omitempty"`
	Hostname string        `json:"hostname,omitempty"`
	Mounts   []specs.Mount `json:"mounts,omitempty"`
	Linux    *SpecLinux    `json:"linux,omitempty"`
	// Annotations are for who reads the file: see specs.Spec.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// SpecProcess is the command and what it inherits, see specs.Process.
type SpecProcess struct {
	Terminal        bool                     `json:"terminal,omitempty"`
	User            specs.User               `json:"user"`
	Args            []string                 `json:"args,omitempty"`
	Env             []string                 `json:"env,omitempty"`
	Cwd             string                   `json:"cwd"`
	Capabilities    *specs.LinuxCapabilities `json:"capabilities,omitempty"`
	Rlimits         []specs.POSIXRlimit      `json:"rlimits,omitempty"`
	NoNewPrivileges bool                     `json:"noNewPrivileges,omitempty"`
	OOMScoreAdj     *int                     `json:"oomScoreAdj,omitempty"`
}

// SpecLinux is what only Linux has, see specs.Linux.
type SpecLinux struct {
	Sysctl        map[string]string      `json:"sysctl,omitempty"`
	Resources     *specs.LinuxResources  `json:"resources,omitempty"`
	CgroupsPath   string                 `json:"cgroupsPath,omitempty"`
	Namespaces    []specs.LinuxNamespace `json:"namespaces,omitempty"`
	Devices       []specs.LinuxDevice    `json:"devices,omitempty"`
	MaskedPaths   []string               `json:"maskedPaths,omitempty"`
	ReadonlyPaths []string               `json:"readonlyPaths,omitempty"`
}
