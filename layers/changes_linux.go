package layers

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Change is one difference that a directory makes to the stack below it.
type Change struct {
	Kind ChangeKind
	Path string // absolute, as the merged directory has it
}

// ChangeKind is docker's letter for a kind of change.
type ChangeKind byte

// The kinds. A directory has changed, too, when something in it has.
const (
	Added   ChangeKind = 'A'
	Changed ChangeKind = 'C'
	Deleted ChangeKind = 'D'
)

// Changes returns what the uppermost directory of the stack changes in those
// below it, sorted by path, each directory before what is in it. What hidden
// says is left out with all below. A file that was copied up and is still the
// same is no change. The uppermost directory may be changed by a hostile
// container meanwhile: no link in it is followed.
func (s Stack) Changes(hidden func(path string) bool) ([]Change, error) {
	return s.compare(comparison{hidden: hidden})
}

func (s Stack) compare(c comparison) ([]Change, error) {
	if len(s) == 0 {
		return nil, errors.New("changes of a stack: it is empty")
	}
	upper, err := unix.Open(s[0], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s[0], err)
	}
	below, err := openMerged(s[1:])
	if err != nil {
		return nil, errors.Join(err, unix.Close(upper))
	}
	defer below.close()
	err = c.directory(upper, below, "", false)
	return c.found, err
}

type comparison struct {
	hidden func(string) bool
	// copied says that a file which was copied up has changed, also where its size
	// and time are the same.
	copied bool
	found  []Change
}

func (c *comparison) add(k ChangeKind, path string) { c.found = append(c.found, Change{k, path}) }

// directory compares a directory, which it closes, with what is below it. With
// nothing there, all that it holds is new. An opaque one hides what it does not
// have itself, and so do those in it, which overlayfs leaves unmarked.
func (c *comparison) directory(fd int, below merged, path string, opaque bool) error {
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return ignoreVanished(err)
	}
	if !opaque {
		if opaque, err = isOpaque(fd); err != nil {
			return err
		}
	}
	if opaque {
		more, err := below.names()
		if err != nil {
			return err
		}
		names = append(names, more...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		at := path + "/" + name
		if c.hidden(at) {
			continue
		}
		if err := c.entry(fd, below, at, opaque); err != nil {
			return fmt.Errorf("compare %s: %w", at, err)
		}
	}
	return nil
}

// entry compares what has a name in a directory.
func (c *comparison) entry(fd int, below merged, path string, opaque bool) error {
	name := path[strings.LastIndexByte(path, '/')+1:]
	var old unix.Stat_t
	node, err := below.look(name)
	was := err == nil
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if was {
		defer node.close()
		if err := unix.Fstat(node.any(), &old); err != nil {
			return err
		}
	}
	var now unix.Stat_t
	err = unix.Fstatat(fd, name, &now, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT) || err == nil && isWhiteout(now):
		if was {
			c.add(Deleted, path)
		}
		return nil
	case err != nil:
		return err
	case !was:
		c.add(Added, path)
	case !alike(now, old), c.copied && now.Mode&unix.S_IFMT != unix.S_IFDIR:
		c.add(Changed, path)
	}
	if now.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	dir, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ignoreVanished(err)
	}
	before := len(c.found)
	if err := c.directory(dir, node.dirs, path, opaque); err != nil {
		return err
	}
	if len(c.found) > before && (before == 0 || c.found[before-1].Path != path) {
		c.found = slices.Insert(c.found, before, Change{Changed, path})
	}
	return nil
}

// alike reports whether two files are the same as far as their metadata tell. The
// size and the time of a directory tell nothing of itself.
func alike(a, b unix.Stat_t) bool {
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Rdev != b.Rdev {
		return false
	}
	return a.Mode&unix.S_IFMT == unix.S_IFDIR || a.Size == b.Size && a.Mtim == b.Mtim
}

// any returns a descriptor of what was found: of a directory, the uppermost.
func (n node) any() int {
	if n.dirs != nil {
		return n.dirs[0]
	}
	return n.fd
}

// names lists what the directories hold together.
func (m merged) names() ([]string, error) {
	var all []string
	for _, fd := range m {
		// A descriptor of its own: reading moves the position.
		again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		dir := os.NewFile(uintptr(again), ".")
		names, err := dir.Readdirnames(-1)
		if err = errors.Join(err, dir.Close()); err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// ignoreVanished forgives that a directory was removed, or became something else,
// while it was compared.
func ignoreVanished(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}
