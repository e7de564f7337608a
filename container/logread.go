package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// LogOptions say what [Store.Logs] shows.
type LogOptions struct {
	Follow       bool
	Tail         int       // so many entries, the last ones; all with -1
	Since, Until time.Time // both included; zero is no bound

	// Show is given each entry. What it is given is its own.
	Show func(*LogEntry) error
	// Idle is called before there is a wait for more, and at the end.
	Idle func() error
}

// Logs shows a container's log, from the oldest entry to the newest that there
// is when it is called. With Follow it goes on until the container has ended:
// whatever it wrote until then is shown, of how many files it may be. As in
// docker, Tail counts before Since and Until leave out.
//
// A line that can't be read, because whoever wrote it was killed, is left out.
// The error is [ErrNoLog] where no log is kept.
func (s *Store) Logs(c *Container, o LogOptions) error {
	path := c.logFile()
	if path == "" {
		return ErrNoLog
	}
	var w *logWatch
	if o.Follow {
		// From here on nothing is missed: what comes is seen here, what has
		// come is in the files.
		var err error
		if w, err = s.watchLog(c); err != nil {
			return err
		}
		defer w.close()
	}
	files, err := openLogFiles(path)
	if err != nil {
		return err
	}
	defer files.close()
	if err := files.seekTail(o.Tail); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	r := &logReader{o: o}
	if w == nil {
		err = r.readOnce(files)
	} else {
		err = r.follow(files, path, w)
	}
	if err == errLogDone {
		err = nil
	}
	return errors.Join(err, o.Idle())
}

// errLogDone says that there is nothing more to show.
var errLogDone = errors.New("done")

// logReader shows entries of files, one after the other.
type logReader struct {
	o     LogOptions
	lines *bufio.Reader
	half  []byte // of a line that is being written
}

// readOnce shows what is in the files now: who writes faster than this one reads
// must not keep it for ever.
func (r *logReader) readOnce(files logFiles) error {
	for _, f := range files {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if err := r.read(io.LimitReader(f, info.Size()-at)); err != nil {
			return err
		}
		if err := r.endFile(); err != nil {
			return err
		}
	}
	return nil
}

// read shows the lines up to the end of what there is.
func (r *logReader) read(from io.Reader) error {
	if r.lines == nil {
		r.lines = bufio.NewReaderSize(from, 128<<10)
	} else {
		r.lines.Reset(from)
	}
	for {
		line, err := r.lines.ReadSlice('\n')
		switch {
		case err == nil && len(r.half) == 0:
			if err := r.show(line); err != nil {
				return err
			}
		case err == nil:
			line = append(r.half, line...)
			r.half = line[:0]
			if err := r.show(line); err != nil {
				return err
			}
		case errors.Is(err, bufio.ErrBufferFull):
			r.half = append(r.half, line...)
		case errors.Is(err, io.EOF):
			r.half = append(r.half, line...)
			return nil
		default:
			return fmt.Errorf("read the log: %w", err)
		}
	}
}

// endFile shows a last line that lacks its newline, if it is whole.
func (r *logReader) endFile() error {
	if len(r.half) == 0 {
		return nil
	}
	err := r.show(r.half)
	r.half = r.half[:0]
	return err
}

func (r *logReader) show(line []byte) error {
	var e LogEntry
	if !e.parse(line) {
		return nil
	}
	if !r.o.Until.IsZero() && e.Time.After(r.o.Until) {
		return errLogDone
	}
	if e.Time.Before(r.o.Since) {
		return nil
	}
	return r.o.Show(&e)
}

// logFiles are the open files of a log, the oldest first.
type logFiles []*os.File

// openLogFiles opens what there is of a log, none of a container that has not
// started. Meanwhile files may move to higher numbers, see [logFile]: one that is
// opened from the lowest number on is not missed, and one that is met twice is
// taken once.
func openLogFiles(path string) (logFiles, error) {
	for {
		var newest []*os.File
		var infos []fs.FileInfo
		for i, gap := 0, 0; gap < 2; i++ { // see [logFile] for where there may be one
			f, err := os.Open(numbered(path, i))
			if errors.Is(err, fs.ErrNotExist) {
				gap++
				continue
			}
			if err != nil {
				logFiles(newest).close()
				return nil, fmt.Errorf("open the log: %w", err)
			}
			gap = 0
			info, err := f.Stat()
			if err != nil {
				f.Close()
				logFiles(newest).close()
				return nil, fmt.Errorf("open the log: %w", err)
			}
			if n := len(infos); n > 0 && os.SameFile(infos[n-1], info) {
				f.Close()
				continue
			}
			newest, infos = append(newest, f), append(infos, info)
		}
		if len(newest) > 0 && !isStill(newest[0], path) {
			if _, err := os.Lstat(path); err == nil {
				// A file came in between, and what was found may be newer than
				// what was found before.
				logFiles(newest).close()
				continue
			}
		}
		files := make(logFiles, 0, len(newest))
		for i := len(newest) - 1; i >= 0; i-- {
			files = append(files, newest[i])
		}
		return files, nil
	}
}

func (l logFiles) close() {
	for _, f := range l {
		f.Close()
	}
}
