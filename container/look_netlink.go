package container

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// native is the byte order of netlink: the machine's.
var native = binary.NativeEndian

// number reads an attribute of four bytes.
func number(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(int32(native.Uint32(b)))
}

// linkKind finds the kind in the attributes that IFLA_LINKINFO holds: each has
// two bytes of length, two of type, and is padded to four.
func linkKind(b []byte) string {
	for len(b) >= 4 {
		n := int(native.Uint16(b))
		if n < 4 || n > len(b) {
			return ""
		}
		if native.Uint16(b[2:]) == unix.IFLA_INFO_KIND {
			return unix.ByteSliceToString(b[4:n])
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return ""
}
