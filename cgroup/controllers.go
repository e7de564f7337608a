package cgroup

import (
	"slices"
	"strings"
)

// Versions tells which versions of cgroups are mounted: both on a hybrid host,
// neither on one that can have no limits.
func (h *Host) Versions() (v1, v2 bool) { return len(h.v1) > 0, h.v2 != nil }

// Controllers returns the names of the controllers of both versions, sorted.
// The named hierarchies of version 1 limit nothing and are not among them, nor
// is what version 2 does without a controller: devices, and killing a group.
func (h *Host) Controllers() []string {
	var all []string
	for _, t := range h.v1 {
		all = append(all, t.controllers...)
	}
	if h.v2 != nil {
		all = append(all, h.v2.controllers...)
	}
	all = slices.DeleteFunc(all, func(c string) bool { return strings.HasPrefix(c, "name=") })
	slices.Sort(all)
	return slices.Compact(all)
}
