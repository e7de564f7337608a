package layers

import "golang.org/x/sys/unix"

// Openat2 is openat2(2), repeated when the kernel could not tell whether ".." had
// led out: it says EAGAIN when anything on the machine was renamed or mounted
// while it looked.
func Openat2(dir int, path string, how *unix.OpenHow) (fd int, err error) {
	// On a busy machine a few tries are common; hundreds would be an attack.
	for range 1000 {
		fd, err = unix.Openat2(dir, path, how)
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	return fd, err
}
