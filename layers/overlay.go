package layers

import (
	"fmt"
	"path/filepath"
	"strings"

	"gocker/container/step"
)

// overlayOptions hold whatever the host's module parameters say. index=off: a
// container may start again while its last mount lingers in another namespace.
// redirect_dir=off and metacopy=off: the upper directory alone tells what has
// changed, so that it can be read without a mount.
const overlayOptions = "index=off,redirect_dir=off,metacopy=off"

// mountData is how much mount(2) takes of a filesystem's options: one page, the
// final NUL in it, on machines with the smallest pages.
const mountData = 4096 - 1

// Overlay is the mount of a container's root: a writable directory over layers.
// Without Upper and Work it is a view of two layers or more that can't be
// written to.
type Overlay struct {
	Lower  Stack  // at least one absolute path
	Upper  string // takes what is written; see Stack.MakeUpper
	Work   string // an empty directory on Upper's filesystem
	Target string // absolute
	// Volatile leaves out all syncing of Upper, which costs the unmount up to
	// hundreds of milliseconds. An upper directory once mounted so is for one
	// use: overlayfs refuses to mount it again after a crash. Linux 5.10.
	Volatile bool
}

// Steps returns the mount. Layers of one directory are named relative to it,
// after a step that goes there, because their absolute paths don't fit the page
// of options that mount(2) takes.
func (o Overlay) Steps() []step.Step {
	dir, lower := o.lower()
	mount := step.Mount{Source: "overlay", Target: o.Target, Type: "overlay", Data: o.data(lower)}
	if dir == "" {
		return []step.Step{mount}
	}
	return []step.Step{step.Chdir{Path: dir}, mount}
}

// Check says whether the kernel can be asked for this mount: it cuts options
// that are too long without an error of its own.
func (o Overlay) Check() error {
	_, lower := o.lower()
	if n := len(o.data(lower)); len(lower) == 0 || n > mountData {
		return fmt.Errorf("overlay of %d layers: %d bytes of options, mount(2) takes %d", len(lower), n, mountData)
	}
	return nil
}

// lower returns the lower directories relative to dir, or as they are when they
// share none.
func (o Overlay) lower() (dir string, names []string) {
	if len(o.Lower) < 2 {
		return "", o.Lower
	}
	dir = filepath.Dir(o.Lower[0])
	for _, l := range o.Lower {
		if filepath.Dir(l) != dir {
			return "", o.Lower
		}
		names = append(names, filepath.Base(l))
	}
	return dir, names
}

func (o Overlay) data(lower []string) string {
	escaped := make([]string, len(lower))
	for i, l := range lower {
		escaped[i] = escape(l)
	}
	data := "lowerdir=" + strings.Join(escaped, ":")
	if o.Upper != "" {
		data += ",upperdir=" + escape(o.Upper) + ",workdir=" + escape(o.Work)
	}
	data += "," + overlayOptions
	if o.Volatile {
		data += ",volatile"
	}
	return data
}

// escape protects a path from overlayfs, which ends options at a comma and
// lower directories at a colon.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`).Replace(path)
}
