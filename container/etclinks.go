package container

import (
	"gocker/layers"

	"golang.org/x/sys/unix"
)

// etcNames are the files of /etc that gocker writes for each container.
var etcNames = []string{"resolv.conf", "hostname", "hosts"}

// etcLinks returns the paths of those that are symbolic links somewhere in a
// stack: most often /etc/resolv.conf, which leads to where a service of the
// system would write it, and so nowhere. As in docker, a file takes the link's
// place. A link that a higher layer hides is in the answer too.
func etcLinks(stack layers.Stack) map[string]bool {
	var links map[string]bool
	for _, dir := range stack {
		root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // a container that is only printed has no directory
		}
		for _, name := range etcNames {
			if isLink(root, "etc/"+name) {
				if links == nil {
					links = map[string]bool{}
				}
				links["/etc/"+name] = true
			}
		}
		unix.Close(root)
	}
	return links
}

// isLink reports whether a path in a directory is a symbolic link. It goes
// through no other.
func isLink(dir int, path string) bool {
	fd, err := layers.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
}
