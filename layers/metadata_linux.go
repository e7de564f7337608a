package layers

import (
	"archive/tar"
	"fmt"
	"math"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// metadata is what an entry has besides its name, type and contents.
type metadata struct {
	uid, gid int
	mode     uint32            // permissions, set-ID bits and sticky bit
	times    [2]unix.Timespec  // access, modification
	records  map[string]string // PAX records, extended attributes among them
}

// xattrRecord begins the PAX records of extended attributes, in the form that
// star, GNU tar, docker and Go write.
const xattrRecord = "SCHILY.xattr."

func metadataOf(hdr *tar.Header) (m metadata, err error) {
	if m.uid, err = id("user ID", hdr.Uid); err != nil {
		return m, err
	}
	if m.gid, err = id("group ID", hdr.Gid); err != nil {
		return m, err
	}
	m.mode = uint32(hdr.Mode & 0o7777)
	if m.times[1], err = unix.TimeToTimespec(hdr.ModTime); err != nil {
		return m, fmt.Errorf("modification time: %w", err)
	}
	m.times[0] = m.times[1]
	if !hdr.AccessTime.IsZero() {
		if m.times[0], err = unix.TimeToTimespec(hdr.AccessTime); err != nil {
			return m, fmt.Errorf("access time: %w", err)
		}
	}
	m.records = hdr.PAXRecords
	return m, nil
}

// apply gives the metadata to base in the directory dirfd. The mode comes after
// the owner, whose change clears set-ID bits, and the attributes after both, as
// it clears security.capability too.
func (m *metadata) apply(dirfd int, base string, symlink bool) error {
	if err := unix.Fchownat(dirfd, base, m.uid, m.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return os.NewSyscallError("fchownat", err)
	}
	if !symlink {
		if err := unix.Fchmodat(dirfd, base, m.mode, 0); err != nil {
			return os.NewSyscallError("fchmodat", err)
		}
	}
	return m.applyRest(dirfd, base)
}

// applyRest sets extended attributes and times.
func (m *metadata) applyRest(dirfd int, base string) error {
	for key, value := range m.records {
		name, ok := strings.CutPrefix(key, xattrRecord)
		if !ok {
			continue
		}
		if err := setXattr(procPath(dirfd, base), name, value); err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(dirfd, base, m.times[:], unix.AT_SYMLINK_NOFOLLOW))
}

// id checks an owner of a tar. The highest number means "as it is" to chown(2).
func id(what string, n int) (int, error) {
	if n < 0 || int64(n) >= math.MaxUint32 {
		return 0, fmt.Errorf("%s %d out of range", what, n)
	}
	return n, nil
}
