package container

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"gocker/container/quickjson"
)

// logFile appends to a log; its streams may be written at the same time. A nil
// one keeps nothing.
//
// A file that is full is followed by a new one. In this order, so that at any
// time the newest has its name, each file has one that is higher than it was or
// the same, and a crash leaves no worse than a number without a file:
//
//	log.1 → log.2, log.2 → log.3, …, the highest first
//	log.1 becomes a second name of log
//	log.tmp, empty, takes the name log
type logFile struct {
	mu     sync.Mutex
	f      *os.File
	path   string
	size   int64
	limits logLimits
	attrs  []byte // what stands in each entry behind the stream
}

// openLog opens the container's log for writing. What a writer that was killed
// has left of a line is ended first: the next one is whole.
func (c *Container) openLog() (*logFile, error) {
	limits, err := c.HostConfig.LogConfig.limits()
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	path := c.logFile()
	if path == "" {
		return nil, nil
	}
	l := &logFile{limits: limits}
	if attrs := c.logAttrs(); len(attrs) > 0 {
		l.attrs = quickjson.Append([]byte(`,"attrs":`), attrs)
	}
	return l, l.open(path)
}

func (l *logFile) open(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open the log: %w", err)
	}
	l.f, l.path, l.size = f, path, info.Size()
	var last [1]byte
	if l.size > 0 {
		if _, err := f.ReadAt(last[:], l.size-1); err == nil && last[0] != '\n' {
			return l.append([]byte{'\n'})
		}
	}
	return nil
}

// append writes entries, each of which goes whole into one file.
func (l *logFile) append(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.limits.size > 0 && len(b) > 0 {
		// As docker does, a file takes the entry that makes it full.
		room := l.limits.size - l.size
		if room <= 0 {
			if err := l.rotate(); err != nil {
				return errors.Join(fmt.Errorf("rotate the log: %w", err), l.write(b))
			}
			continue
		}
		if room >= int64(len(b)) {
			break
		}
		n := bytes.IndexByte(b[room-1:], '\n') + int(room)
		if err := l.write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return l.write(b)
}

func (l *logFile) write(b []byte) error {
	n, err := l.f.Write(b)
	l.size += int64(n)
	if err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// rotate begins a new file. When it fails, the old one goes on.
func (l *logFile) rotate() error {
	fresh, err := os.OpenFile(l.path+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	if err = l.shift(); err == nil {
		err = os.Rename(fresh.Name(), l.path)
	}
	if err != nil {
		return errors.Join(err, fresh.Close(), os.Remove(fresh.Name()))
	}
	err = l.f.Close()
	l.f, l.size = fresh, 0
	return err
}

// shift makes room for a new file.
func (l *logFile) shift() error {
	if l.limits.files == 1 {
		return nil
	}
	first := numbered(l.path, 1)
	if isStill(l.f, first) {
		return nil // a crash came between this and the new file
	}
	for i := l.limits.files - 1; i > 1; i-- {
		if err := os.Rename(numbered(l.path, i-1), numbered(l.path, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(first); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Link(l.path, first)
}

// numbered is the name of the i-th file of a log, 0 is the newest.
func numbered(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}
