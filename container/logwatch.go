package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// logWatch tells of what happens to a log and to its container.
type logWatch struct {
	*dirWatch
	ended chan error // the container has ended
}

// watchLog begins to watch. Writing, and a new file's taking the log's name, are
// seen in the directory.
func (s *Store) watchLog(c *Container) (*logWatch, error) {
	d, err := watchDir(filepath.Dir(c.logFile()))
	if err != nil {
		return nil, err
	}
	w := &logWatch{dirWatch: d, ended: make(chan error, 1)}
	go func() { w.ended <- s.awaitStop(c) }()
	return w, nil
}

// dirWatch tells of what happens to the files in a directory.
type dirWatch struct {
	events *os.File      // of inotify(7)
	change chan struct{} // something may have been written
}

// watchDir begins to watch.
func watchDir(dir string) (*dirWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: inotify: %w", dir, err)
	}
	w := &dirWatch{events: os.NewFile(uintptr(fd), "inotify"), change: make(chan struct{}, 1)}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_MOVED_TO|unix.IN_CREATE); err != nil {
		w.close()
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	go w.pass()
	return w, nil
}

// pass turns events into a note that there were some.
func (w *dirWatch) pass() {
	buf := make([]byte, 4<<10)
	for {
		if _, err := w.events.Read(buf); err != nil {
			return // closed
		}
		select {
		case w.change <- struct{}{}:
		default: // there is a note already
		}
	}
}

func (w *dirWatch) close() { w.events.Close() }

// awaitStop waits until the container has ended, and nobody is about to start it
// again.
func (s *Store) awaitStop(c *Container) error {
	for {
		if err := c.awaitEnd(); err != nil {
			return err
		}
		if err := c.awaitRestart(); err != nil {
			return err
		}
		if _, err := os.Lstat(c.runDir); err != nil {
			return nil
		}
		// It runs again, or its monitor was killed.
		if err := s.buryMonitor(c); err != nil {
			return err
		}
	}
}

// awaitRestart waits for those who have left word that they start the container
// again. The last of them may not be able to take that word back now.
func (c *Container) awaitRestart() error {
	f, err := lock(c.keepFile(), true)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if !isStill(f, c.keepFile()) {
		return nil
	}
	if err := os.Remove(f.Name()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// follow shows the files, and what is written from now on.
func (r *logReader) follow(files logFiles, path string, w *logWatch) error {
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		until = time.After(time.Until(r.o.Until))
	}
	// The last one goes on, the others are complete.
	var current *os.File
	defer func() { current.Close() }() // nil is safe
	take := func(next logFiles) error {
		for _, f := range next {
			if current != nil {
				// It has been replaced, so this is its end.
				if err := r.read(current); err != nil {
					return err
				}
				if err := r.endFile(); err != nil {
					return err
				}
				current.Close()
			}
			current = f
		}
		if current == nil {
			return nil
		}
		return r.read(current)
	}
	if err := take(files); err != nil {
		return err
	}
	for ended := false; ; {
		if current == nil || !isStill(current, path) {
			next, err := openLogFiles(path)
			if err != nil {
				return err
			}
			newer := next.after(current)
			next[:len(next)-len(newer)].close()
			if err := take(newer); err != nil {
				return err
			}
		} else if err := r.read(current); err != nil {
			return err
		}
		if ended {
			return r.endFile()
		}
		if err := r.o.Idle(); err != nil {
			return err
		}
		select {
		case <-w.change:
		case <-until:
			ended = true
		case err := <-w.ended:
			if err != nil {
				return fmt.Errorf("wait for the container: %w", err)
			}
			ended = true // what it has written last is still to be shown
		}
	}
}

// after returns the files that are newer than one: all of them, if that has gone.
func (l logFiles) after(f *os.File) logFiles {
	if f == nil {
		return l
	}
	info, err := f.Stat()
	if err != nil {
		return l
	}
	i := slices.IndexFunc(l, func(other *os.File) bool {
		have, err := other.Stat()
		return err == nil && os.SameFile(have, info)
	})
	return l[i+1:]
}
