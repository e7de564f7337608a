package layers

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may go through, as the kernel
// has it (path_resolution(7)).
const maxLinks = 40

// tree is a directory that only this process changes, and the only place that
// it can reach: names are resolved to clean ones below the root, without
// symbolic links, and those are opened by openat2(2).
//
// Changing a directory changes its modification time. So that no list of
// directories is needed whose times are to be set at the end, the time is read
// when a directory is entered and put back when it is left.
type tree struct {
	root int
	cur  *dir   // the last one entered, nil when left
	key  string // the name by which it was entered
	// implied are the directories made on the way to an entry. What becomes of
	// them depends on whether an entry for them follows.
	implied map[string]struct{}
}

// dir is an open directory of a tree.
type dir struct {
	name  string // clean, without symbolic links, "" for the root
	fd    int
	gid   uint32
	times [2]unix.Timespec
}

// newTree takes over root.
func newTree(root int) *tree {
	return &tree{root: root, implied: map[string]struct{}{"": {}}}
}

func (t *tree) close() error {
	return errors.Join(t.leave(), unix.Close(t.root))
}

// enter opens the directory that name leads to, makes it when it is missing,
// and keeps it open for the entries that follow.
func (t *tree) enter(name string) (*dir, error) {
	d, err := t.reenter(name)
	if !isGone(err) {
		return d, err
	}
	clean, err := t.resolve(name, true)
	if err != nil {
		return nil, err
	}
	d, err = t.openDir(clean)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", clean, err)
	}
	t.cur, t.key = d, name
	return d, nil
}

// reenter is enter for a clean name of a directory that was there. The error
// isGone when something else has taken its place.
func (t *tree) reenter(name string) (*dir, error) {
	if t.cur != nil && t.key == name {
		return t.cur, nil
	}
	if err := t.leave(); err != nil {
		return nil, err
	}
	d, err := t.openDir(name)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", name, err)
	}
	t.cur, t.key = d, name
	return d, nil
}

// isGone says that no directory has the clean name that was opened: nothing
// has, or a file or link stands there or on the way.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// leave gives the directory entered last the time that it had.
func (t *tree) leave() error {
	if t.cur == nil {
		return nil
	}
	d := t.cur
	t.cur = nil
	return d.leave()
}

func (d *dir) leave() error {
	err := unix.UtimesNanoAt(d.fd, ".", d.times[:], 0)
	if err != nil {
		err = fmt.Errorf("set the times of directory %q: %w", d.name, err)
	}
	return errors.Join(err, unix.Close(d.fd))
}

// openDir opens a directory by its clean name.
func (t *tree) openDir(name string) (*dir, error) {
	fd, err := t.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &dir{
		name: name, fd: fd, gid: st.Gid,
		times: [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, st.Mtim},
	}, nil
}

// open opens a clean name. Nothing that a tar can hold makes it leave the root.
func (t *tree) open(name string, flags uint64) (int, error) {
	if name == "" {
		name = "."
	}
	fd, err := Openat2(t.root, name, &unix.OpenHow{
		Flags:   flags | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if errors.Is(err, unix.ENOSYS) {
		return -1, fmt.Errorf("openat2 requires Linux 5.6 or later: %w", err)
	}
	return fd, err
}

// resolve follows the symbolic links in name, / and .. held at the root, and
// returns the directory's clean name. With create, directories that are missing
// are made, those behind a dangling link too.
func (t *tree) resolve(name string, create bool) (string, error) {
	done, todo, links := "", name, 0
	for todo != "" {
		var c string
		c, todo, _ = strings.Cut(todo, "/")
		switch c {
		case "", ".":
			continue
		case "..":
			done = parentOf(done)
			continue
		}
		next := path.Join(done, c)
		st, target, err := t.look(next)
		switch {
		case errors.Is(err, unix.ENOENT) && create:
			err = t.imply(done, c)
		case err == nil && isWhiteout(st) && create:
			err = t.imply(done, c)
		case err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK:
			if links++; links > maxLinks {
				return "", fmt.Errorf("resolve %q: %w", name, unix.ELOOP)
			}
			if strings.HasPrefix(target, "/") {
				done = ""
			}
			todo = target + "/" + todo
			continue
		case err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR:
			err = unix.ENOTDIR
		}
		if err != nil {
			return "", fmt.Errorf("resolve %q: %q: %w", name, next, err)
		}
		done = next
	}
	return done, nil
}

// look returns what a clean name stands for, and the target of a link.
func (t *tree) look(name string) (st unix.Stat_t, target string, err error) {
	fd, err := t.open(name, unix.O_PATH)
	if err != nil {
		return st, "", err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return st, "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return st, "", nil
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return st, "", err
	}
	return st, string(buf[:n]), nil
}

// imply makes a directory that an entry's path needs.
func (t *tree) imply(parent, base string) (err error) {
	d, err := t.openDir(parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.leave()) }()
	how, err := d.mkdir(base)
	if err != nil {
		return err
	}
	if how == madeInPlace {
		// What was hidden below has nothing to give to the new directory.
		delete(t.implied, path.Join(parent, base))
	} else {
		t.implied[path.Join(parent, base)] = struct{}{}
	}
	return unix.Fchmodat(d.fd, base, 0o755, 0)
}

// made tells how mkdir came by its directory.
type made int

const (
	madeKept    made = iota // it was there
	madeNew                 // nothing was there
	madeInPlace             // of something else: the directory is opaque
)

// mkdir makes a directory, or keeps the one that is there. One that replaces
// anything else is opaque: what this layer had there, be it a whiteout or a
// file, hid the directory of the layers below.
func (d *dir) mkdir(base string) (made, error) {
	err := unix.Mkdirat(d.fd, base, 0o700)
	if err == nil {
		return madeNew, nil
	}
	if !errors.Is(err, unix.EEXIST) {
		return madeKept, err
	}
	st, err := d.stat(base)
	if err != nil {
		return madeKept, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return madeKept, nil
	}
	if err := unix.Unlinkat(d.fd, base, 0); err != nil {
		return madeKept, err
	}
	if err := unix.Mkdirat(d.fd, base, 0o700); err != nil {
		return madeKept, err
	}
	return madeInPlace, d.setOpaque(base)
}

// create calls make, which makes base, and once more after removing what stood
// in its place.
func (d *dir) create(base string, make func() error) error {
	err := make()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := d.remove(base); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	return make()
}

// remove removes base, with all that is in it.
func (d *dir) remove(base string) error {
	err := unix.Unlinkat(d.fd, base, 0)
	if errors.Is(err, unix.EISDIR) {
		return os.RemoveAll(procPath(d.fd, base))
	}
	return err
}

func (d *dir) stat(base string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// procPath is a path of base in an open directory, for system calls that take
// no directory. With the base "." it is the directory's own.
func procPath(dirfd int, base string) string { return procFD(dirfd) + "/" + base }

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// parentOf is path.Dir with "" for the root.
func parentOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}
