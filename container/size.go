package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

// Size returns how many bytes the container has written, and how many its root
// holds: these and its image's layers or its directory. They are the sizes of
// regular files and links, each counted once. A container may write meanwhile, and
// one that is removed meanwhile has written nothing.
func (c *Container) Size() (written, total int64, err error) {
	if written, err = treeSize(c.upper()); err != nil {
		return 0, 0, fmt.Errorf("size of container %s: %w", c.ShortID(), err)
	}
	total = written
	if c.Rootfs != "" {
		below, err := treeSize(c.Rootfs)
		if err != nil {
			return 0, 0, fmt.Errorf("size of container %s: %w", c.ShortID(), err)
		}
		total += below
	}
	store := layers.Store{Dir: c.layersDir}
	for _, id := range c.Layers {
		below, err := store.Size(id)
		if err != nil {
			return 0, 0, fmt.Errorf("size of container %s: layer %s: %w", c.ShortID(), id, err)
		}
		total += below
	}
	return written, total, nil
}

// inode is a file's identity.
type inode struct{ dev, ino uint64 }

// treeSize sums up the files of a directory on its own filesystem. What a
// container owns may change under the walk: no link is followed, so that none
// leads out of it, and what has gone in between has no size.
func treeSize(dir string) (int64, error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, gone(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, errors.Join(err, f.Close())
	}
	w := walk{dev: st.Dev, seen: map[inode]bool{}}
	err = w.add(f)
	return w.size, err
}

type walk struct {
	dev  uint64
	seen map[inode]bool // files with several links
	size int64
}

// add sums up an open directory and closes it.
func (w *walk) add(dir *os.File) error {
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return gone(err)
	}
	fd := int(dir.Fd())
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			if gone(err) == nil {
				continue
			}
			return fmt.Errorf("stat %s/%s: %w", dir.Name(), name, err)
		}
		id := inode{st.Dev, st.Ino}
		switch {
		case st.Dev != w.dev || w.seen[id]:
		case st.Mode&unix.S_IFMT == unix.S_IFDIR:
			if err := w.addDir(fd, dir.Name()+"/"+name, name); err != nil {
				return err
			}
		default:
			w.size += st.Size
			if st.Nlink > 1 {
				w.seen[id] = true
			}
		}
	}
	return nil
}

func (w *walk) addDir(parent int, path, name string) error {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		if err = gone(err); err != nil {
			err = fmt.Errorf("open %s: %w", path, err)
		}
		return err
	}
	return w.add(os.NewFile(uintptr(fd), path))
}

// gone forgives that a directory was removed, or became something else.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}
