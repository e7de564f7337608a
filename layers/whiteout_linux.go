package layers

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	whiteoutPrefix = ".wh."
	reservedPrefix = ".wh..wh."
	opaqueMarker   = ".wh..wh..opq"

	opaqueXattr = "trusted.overlay.opaque"
)

// kind is what an entry's name says about the entry.
type kind int

const (
	plain    kind = iota
	whiteout      // hides a name of the layers below
	opaque        // hides the layers below in its directory
	ignored       // reserved and without a meaning here
)

// classify reads an entry's clean name. For a whiteout, base is the name that
// it hides, else the entry's own; for the root it is "".
func classify(name string) (k kind, parent, base string, err error) {
	for c := range strings.SplitSeq(parentOf(name), "/") {
		if strings.HasPrefix(c, reservedPrefix) {
			return ignored, "", "", nil
		}
		if strings.HasPrefix(c, whiteoutPrefix) {
			return plain, "", "", fmt.Errorf("a whiteout (%s) has nothing in it", c)
		}
	}
	parent, base = parentOf(name), name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case base == opaqueMarker:
		return opaque, parent, base, nil
	case strings.HasPrefix(base, reservedPrefix):
		return ignored, "", "", nil
	case !strings.HasPrefix(base, whiteoutPrefix):
		return plain, parent, base, nil
	}
	base = base[len(whiteoutPrefix):]
	if base == "" || base == "." || base == ".." {
		return plain, "", "", fmt.Errorf("a whiteout of %q", base)
	}
	return whiteout, parent, base, nil
}

// cleanName returns an entry's name relative to the layer's root, which is "".
func cleanName(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", errors.New("the name has a NUL byte")
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", errors.New("the name leads out of the layer")
	}
	if clean == "." {
		return "", nil
	}
	return clean, nil
}

// whiteOut hides base of the layers below. What this tar itself has under that
// name, before or after, stays.
func (u *unpacker) whiteOut(d *dir, base string) error {
	err := unix.Mknodat(d.fd, base, unix.S_IFCHR, 0)
	if err == nil {
		u.whiteouts = append(u.whiteouts, path.Join(d.name, base))
		return nil
	}
	if !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make the whiteout: %w", err)
	}
	st, err := d.stat(base)
	if err != nil {
		return fmt.Errorf("make the whiteout: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil // it hides what is below by being there
	}
	delete(u.tree.implied, path.Join(d.name, base))
	return d.setOpaque(base)
}

// markOpaque hides what the layers below have in d.
func (u *unpacker) markOpaque(d *dir) error {
	if d.name == "" {
		// overlayfs does not look for the attribute on a layer's root.
		u.rootOpaque = true
		return nil
	}
	return d.setOpaque(".")
}

func (d *dir) setOpaque(base string) error {
	if err := unix.Lsetxattr(procPath(d.fd, base), opaqueXattr, []byte("y"), 0); err != nil {
		return fmt.Errorf("set %s: %w", opaqueXattr, err)
	}
	return nil
}

func isOpaque(fd int) (bool, error) {
	var value [1]byte
	n, err := unix.Fgetxattr(fd, opaqueXattr, value[:])
	switch {
	case err == nil:
		return n == 1 && value[0] == 'y', nil
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ERANGE):
		return false, nil
	}
	return false, fmt.Errorf("get %s: %w", opaqueXattr, err)
}

func isWhiteout(st unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}
