// Package layers turns the layers of an image into directories that overlayfs
// can stack, keeps them, reads through them and says how to mount them.
//
// # Words
//
// A layer is a tar of changes to the layers below it. Its diff ID is the digest
// of the uncompressed tar; its chain ID is the digest of its place in a stack,
// that is of the diff IDs from the bottom up to it (OCI image-spec, config.md).
// A whiteout is an entry .wh.NAME: NAME of the layers below is gone. An opaque
// directory, marked by an entry .wh..wh..opq in it, shows nothing of the layers
// below. Both act on lower layers only, wherever in the tar they stand
// (image-spec, layer.md).
//
// overlayfs has its own forms: a whiteout is a character device 0/0 with the
// name of what it hides; an opaque directory has the extended attribute
// trusted.overlay.opaque=y (the kernel's Documentation/filesystems/overlayfs).
// An unpacked layer is in these forms and is mounted as it is.
//
// # Use
//
// A pull stages its layers in any order or all at once, since an unpacked tar
// needs nothing of the layers below. Then it commits them, the lowest first:
//
//	store, err := layers.Open("/var/lib/gocker")
//	staged, err := store.Stage(ctx, uncompressed) // for each layer
//	err = store.Sync()
//	err = staged.Commit(chainID, parents)         // for each layer, upwards
//	err = store.Sync()
//
// Nothing is synced file by file. The Sync before the first Commit makes a
// layer that is there after a power cut a complete one; the Sync after the
// last comes before the reference to the image is written.
//
// A container mounts a [Stack] of such directories under its own writable one:
//
//	lower := store.Stack(chainIDs)
//	err := lower.MakeUpper(upper)
//	steps := layers.Overlay{Lower: lower, Upper: upper, Work: work, Target: root}.Steps()
//
// # Hostile tars
//
// No entry can reach what lies outside the staging directory. Each directory is
// opened by openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, and what an
// entry names is made in that directory by its last component only. An entry
// whose path goes through a symbolic link of the same tar is followed by hand,
// with / and .. held at the staging root, as if the tar were unpacked after
// chroot(2); docker, containerd and umoci do the same. A link that exists only
// in a layer below is not seen: the entry's directory then hides that link, as
// it does with their overlay storage.
//
// Refused with an error: a path that climbs out by .., attributes and devices
// that have a meaning for overlayfs itself, names under the reserved prefix
// .wh. that are no whiteout, hard links to what is not in the same tar, and
// types of entry that have no place in a layer. Ignored: .wh..wh.* (of aufs),
// global PAX headers, and the attribute security.selinux, which belongs to the
// host's policy. The only bound on size and number is the disk.
//
// # On disk
//
//	layers/<24 digits>/      the layer: complete or absent
//	layers/<24 digits>.json  its whole chain ID and its size
//	tmp/layer-<random>/      staging; locked by flock(2) while its process lives
//
// The name of a layer is the first 24 digits of its chain ID: so 127 layers,
// named relative to their directory, fit the one page that mount(2) takes.
package layers

import (
	"fmt"
	"strings"
)

// nameDigits is how much of a chain ID names its directory: 96 bits, which
// nobody finds two layers for, in little enough of the mount's page.
const nameDigits = 24

// dirName returns the name of a chain ID's directory.
func dirName(chainID string) (string, error) {
	digits, ok := strings.CutPrefix(chainID, "sha256:")
	if !ok || len(digits) != 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("chain ID %q: want sha256: and 64 hexadecimal digits", chainID)
	}
	return digits[:nameDigits], nil
}
