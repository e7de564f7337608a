package layers

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// setXattr sets one extended attribute that an image asks for. A link at the
// end of path is not followed.
//
// What overlayfs reads as its own is refused: an image could make its layers
// show any file of the host's layers by a redirect. The SELinux label is left
// out, since the host's policy gives it. Attributes for users are left out where
// the filesystem has none of them or the file's type forbids them; any other
// that can't be set is an error, as a program without its capabilities or a
// file without its access list is not what the image holds.
func setXattr(path, name, value string) error {
	if strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
		return errors.New("it would be an order to overlayfs")
	}
	if name == "security.selinux" {
		return nil
	}
	err := unix.Lsetxattr(path, name, []byte(value), 0)
	if strings.HasPrefix(name, "user.") && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM)) {
		return nil
	}
	return err
}

// copyMetadata gives one open directory the mode, owner, times and extended
// attributes of another, but for those that are overlayfs's own.
func copyMetadata(from, to int) error {
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return fmt.Errorf("fstat: %w", err)
	}
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("fchown: %w", err)
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return fmt.Errorf("fchmod: %w", err)
	}
	names, err := grow(func(buf []byte) (int, error) { return unix.Flistxattr(from, buf) })
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("flistxattr: %w", err)
	}
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 || bytes.HasPrefix(name, []byte("trusted.overlay.")) {
			continue
		}
		value, err := grow(func(buf []byte) (int, error) { return unix.Fgetxattr(from, string(name), buf) })
		if err == nil {
			err = setXattr(procPath(to, "."), string(name), string(value))
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	if err := unix.UtimesNanoAt(to, ".", []unix.Timespec{st.Atim, st.Mtim}, 0); err != nil {
		return fmt.Errorf("utimensat: %w", err)
	}
	return nil
}

// grow calls get with larger and larger buffers until the answer fits.
func grow(get func([]byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := get(buf)
		if err == nil {
			return buf[:n], nil
		}
		if !errors.Is(err, unix.ERANGE) {
			return nil, err
		}
	}
}
