package container

import (
	"slices"
	"strings"

	"gocker/layers"
)

// Changes returns what the container has changed in its image's files, sorted by
// path. It may run meanwhile.
func (c *Container) Changes() ([]layers.Change, error) {
	stack := append(layers.Stack{c.upper()}, c.lowerStack()...)
	return stack.Changes(isMountPoint)
}

// isMountPoint reports whether a path is gocker's own in every container: there
// the container sees a mount, and what is below it only bears that.
func isMountPoint(path string) bool {
	dir, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"dev", "proc", "sys"}, dir) ||
		dir == "etc" && slices.Contains(etcNames, name)
}
