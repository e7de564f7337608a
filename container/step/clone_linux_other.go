//go:build linux && !amd64 && !arm64

package step

// cloneSharing is not written for this architecture.
func cloneSharing(*cloneArgs, uintptr) (result uintptr) { panic("unreachable") }

// mayShare is told in clone_linux.go.
func mayShare(uintptr) bool { return false }
