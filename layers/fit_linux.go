package layers

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// fitOn finishes an unpacked tar with what only the layers below can tell.
// below is uppermost first and may be empty.
func (st *Staged) fitOn(below Stack) error {
	v, err := openView(append(Stack{st.path}, below...), st.found.rootOpaque)
	if err != nil {
		return err
	}
	defer v.close()
	for _, name := range st.found.whiteouts {
		if err := st.dropIdle(v, name); err != nil {
			return fmt.Errorf("whiteout %q: %w", name, err)
		}
	}
	if st.found.rootOpaque {
		if err := st.hideAll(v); err != nil {
			return fmt.Errorf("opaque root: %w", err)
		}
	}
	// Last, as it sets times.
	if err := st.tree.leave(); err != nil {
		return err
	}
	for name := range st.tree.implied {
		if err := st.inherit(v, name); err != nil {
			return fmt.Errorf("directory %q, which the tar does not mention: %w", name, err)
		}
	}
	return nil
}

// dropIdle removes a whiteout that hides nothing. In a directory that only one
// layer has, overlayfs shows whiteouts to readdir(3), as names without a file.
func (st *Staged) dropIdle(v *view, name string) error {
	d, err := st.tree.reenter(parentOf(name))
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	base := path.Base(name)
	now, err := d.stat(base)
	if errors.Is(err, unix.ENOENT) || err == nil && !isWhiteout(now) {
		return nil // a later entry has taken its place
	}
	if err != nil {
		return err
	}
	found, err := v.below(name)
	if err == nil {
		found.close()
		return nil
	}
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	return unix.Unlinkat(d.fd, base, 0)
}

// hideAll makes the layer's root opaque, name by name, because overlayfs does
// not look for the attribute there.
func (st *Staged) hideAll(v *view) error {
	d, err := st.tree.reenter("")
	if err != nil {
		return err
	}
	for _, fd := range v.root[1:] {
		names, err := readNames(fd)
		if err != nil {
			return err
		}
		for _, name := range names {
			err := unix.Mknodat(d.fd, name, unix.S_IFCHR, 0)
			if errors.Is(err, unix.EEXIST) {
				var now unix.Stat_t
				now, err = d.stat(name)
				if err == nil && now.Mode&unix.S_IFMT == unix.S_IFDIR {
					err = d.setOpaque(name)
				}
			}
			if err != nil {
				return fmt.Errorf("hide %q: %w", name, err)
			}
		}
	}
	return nil
}

func readNames(fd int) ([]string, error) {
	// A descriptor of its own has an offset of its own.
	f, err := os.Open(procFD(fd))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// inherit gives a directory that the tar does not mention the metadata that it
// has below.
func (st *Staged) inherit(v *view, name string) error {
	to, err := st.tree.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if isGone(err) {
		return nil // a later entry has taken its place
	}
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if name == "" {
		if len(v.root) == 1 {
			return nil
		}
		return copyMetadata(v.root[1], to)
	}
	found, err := v.below(name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer found.close()
	if found.dirs == nil {
		return nil
	}
	return copyMetadata(found.dirs[0], to)
}

// view looks names up in the layers below a staged one, as they are seen
// through its whiteouts and opaque directories.
type view struct {
	root   merged // the staged layer, then those below
	opaque bool   // the staged layer's root is
	key    string // the directory looked into last
	dir    merged
}

func openView(s Stack, opaque bool) (*view, error) {
	root, err := openMerged(s)
	if err != nil {
		return nil, err
	}
	return &view{root: root, opaque: opaque}, nil
}

func (v *view) close() {
	v.forget()
	v.root.close()
}

func (v *view) forget() {
	if v.key != "" {
		v.dir.close()
	}
	v.key, v.dir = "", nil
}

// below returns what name is without the staged layer's own entry for it, whose
// parent directories it has. The error is ENOENT when there is nothing.
func (v *view) below(name string) (node, error) {
	root := v.root
	if v.opaque {
		root = root[:1]
	}
	parent := parentOf(name)
	dir := root
	if parent != "" {
		if v.key != parent {
			v.forget()
			found, err := walk(root, parent)
			if err != nil {
				return node{}, err
			}
			v.key, v.dir = parent, found
		}
		dir = v.dir
	}
	// The staged directory is the uppermost.
	return dir[1:].look(path.Base(name))
}

// walk returns the merged directory of a clean name below root.
func walk(root merged, name string) (merged, error) {
	dir := root
	for c := range strings.SplitSeq(name, "/") {
		found, err := dir.look(c)
		if dir[0] != root[0] {
			dir.close()
		}
		if err != nil {
			return nil, err
		}
		if found.dirs == nil {
			found.close()
			return nil, unix.ENOTDIR
		}
		dir = found.dirs
	}
	return dir, nil
}
