package container

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gocker/container/quickjson"

	"golang.org/x/sys/unix"
)

// Event is something that has happened to a container or an image, in docker's
// words. Nobody sends it: whoever does it appends a line of JSON to a file, see
// [Journal], and whoever wants to know reads there.
type Event struct {
	Type       string // "container" or "image"
	Action     string // "start", "die", "pull", …
	ID         string // a container's, or an image's name
	Attributes map[string]string
	Time       time.Time
}

// Journal is the file of events below a root: events/log, and before it
// events/log.1. Events are told for as long as they are there, and lost in a
// crash of the machine.
type Journal struct{ Root string }

// journalSize is what a file holds before the next one begins, about 3000 events.
// Docker keeps 256.
const journalSize = 1 << 20

func (j Journal) path() string { return filepath.Join(j.Root, "events", "log") }

// Note appends an event. It costs a write to a file that is never synced. What has
// happened has happened: that it could not be told is no error of it.
func (j Journal) Note(e Event) {
	e.Time = time.Now().UTC()
	line := append(quickjson.Append(nil, e), '\n')
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Open(j.path(), flags, 0o640) })
	if err == unix.ENOENT {
		_ = unix.Mkdir(filepath.Dir(j.path()), 0o711)
		fd, err = retry(func() (int, error) { return unix.Open(j.path(), flags, 0o640) })
	}
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// One write, of which O_APPEND makes a line among those of others.
	if _, err := retry(func() (int, error) { return unix.Write(fd, line) }); err != nil {
		return
	}
	if end, err := unix.Seek(fd, 0, io.SeekCurrent); err == nil && end > journalSize {
		j.rotate(fd)
	}
}

// rotate begins a new file, unless another has done that.
func (j Journal) rotate(fd int) {
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	var mine, now unix.Stat_t
	if unix.Fstat(fd, &mine) == nil && unix.Stat(j.path(), &now) == nil && mine.Ino == now.Ino && mine.Dev == now.Dev {
		_ = unix.Rename(j.path(), numbered(j.path(), 1))
	}
}

// note tells what has happened to a container. More are names and values of
// attributes.
func (s *Store) note(c *Container, action string, more ...string) {
	attributes := map[string]string{"image": c.Image, "name": c.Name}
	for name, value := range c.Config.Labels {
		attributes[name] = value
	}
	for i := 0; i+1 < len(more); i += 2 {
		attributes[more[i]] = more[i+1]
	}
	Journal{s.Root}.Note(Event{Type: "container", Action: action, ID: c.ID, Attributes: attributes})
}

// EventOptions are those of [Journal.Events].
type EventOptions struct {
	// Since is when the first event may have happened; zero shows only what
	// happens from now on. Until is when to stop; zero is never.
	Since, Until time.Time
	Show         func(Event) error
}

// Events shows what has happened and what happens, in the order of the file, until
// the context is done. A line that is not an event is passed over: one that a
// crash has cut.
func (j Journal) Events(ctx context.Context, o EventOptions) error {
	if o.Since.IsZero() {
		o.Since = time.Now()
	}
	if err := os.MkdirAll(filepath.Dir(j.path()), 0o711); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	var done <-chan time.Time
	if !o.Until.IsZero() {
		done = time.After(time.Until(o.Until))
	}
	watch, err := watchDir(filepath.Dir(j.path()))
	if err != nil {
		return err
	}
	defer watch.close()
	r := &eventReader{o: o}
	defer r.close()
	for last := false; ; {
		if err := r.catchUp(j.path()); err != nil {
			return err
		}
		if last {
			return nil
		}
		select {
		case <-watch.change:
		case <-done:
			last = true
		case <-ctx.Done():
			return nil
		}
	}
}

// eventReader is how far somebody has read.
type eventReader struct {
	o       EventOptions
	current *os.File
	lines   *bufio.Reader
	begun   []byte // a line of which the end is missing
}

func (r *eventReader) close() { r.current.Close() } // nil is safe

// catchUp reads all that there is.
func (r *eventReader) catchUp(path string) error {
	for {
		if r.current != nil {
			if err := r.read(); err != nil {
				return err
			}
			if isStill(r.current, path) {
				return nil
			}
		}
		files, err := openLogFiles(path)
		if err != nil {
			return err
		}
		newer := files.after(r.current)
		files[:len(files)-len(newer)].close()
		if len(newer) == 0 {
			return nil
		}
		if r.current != nil {
			// It has another name by now; what came meanwhile is its end.
			if err := r.read(); err != nil {
				return errors.Join(err, r.current.Close())
			}
			r.current.Close()
		}
		newer[1:].close()
		r.current, r.lines, r.begun = newer[0], bufio.NewReader(newer[0]), nil
	}
}

func (r *eventReader) read() error {
	for {
		part, err := r.lines.ReadBytes('\n')
		r.begun = append(r.begun, part...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrClosed) {
			return fmt.Errorf("read events: %w", err)
		}
		var e Event
		line := bytes.TrimSuffix(r.begun, []byte("\n"))
		r.begun = nil
		if quickjson.Unmarshal(line, &e) != nil || e.Time.Before(r.o.Since) {
			continue
		}
		if !r.o.Until.IsZero() && e.Time.After(r.o.Until) {
			continue
		}
		if err := r.o.Show(e); err != nil {
			return err
		}
	}
}

// exitAttributes are those of the end of a process.
func exitAttributes(code int) []string { return []string{"exitCode", strconv.Itoa(code)} }
