package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"gocker/container/step"
	"gocker/layers"

	"golang.org/x/sys/unix"
)

// imageView shows the merged layers of an image to one thread, which is one of
// [onOwnThread]: they are mounted in its own mount namespace when they are first
// looked at, and nothing of it is seen on the host.
type imageView struct {
	lower layers.Stack
	at    string // an empty directory
	root  *os.File
}

// open opens a directory of the image, nil if the image has none there. Links
// are followed within the image. A file in the place of the directory is an
// error.
func (v *imageView) open(dir string) (*os.File, error) {
	if v.root == nil {
		if err := v.mount(); err != nil {
			return nil, fmt.Errorf("look into the image: %w", err)
		}
	}
	fd, err := layers.Openat2(int(v.root.Fd()), dir, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), dir), nil
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	case errors.Is(err, unix.ENOTDIR):
		return nil, fmt.Errorf("cannot mount volume over existing file, file exists %s", dir)
	}
	return nil, fmt.Errorf("open %s in the image: %w", dir, err)
}

func (v *imageView) mount() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare CLONE_NEWNS: %w", err)
	}
	lower := v.lower
	if len(lower) == 1 {
		lower = append(layers.Stack{v.at}, lower...) // an overlay that can't be written to needs two
	}
	o := layers.Overlay{Lower: lower, Target: v.at}
	steps := append([]step.Step{step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE}}, o.Steps()...)
	err := errors.Join(o.Check(), step.Plan{{Steps: steps}}.Do())
	if err != nil {
		return err
	}
	v.root, err = os.OpenFile(v.at, unix.O_PATH|unix.O_DIRECTORY, 0)
	return err
}

// close lets go of the image. What was mounted ends with the thread.
func (v *imageView) close() error {
	if v.root == nil {
		return nil
	}
	return v.root.Close()
}

// onOwnThread calls f on a thread that ends with it, and may so be left in
// another state than the program's other threads.
func onOwnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread can't end before the program. While this call
			// keeps it, the next one gets another.
			defer runtime.UnlockOSThread()
			done <- onOwnThread(f)
			return
		}
		done <- f() // still locked: the runtime ends the thread
	}()
	return <-done
}
