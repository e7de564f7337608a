package container

import (
	"bytes"
	"io"
	"os"
)

// seekTail moves to where the last n entries begin, without reading what lies
// before. A negative n is all.
func (l logFiles) seekTail(n int) error {
	if n < 0 {
		return nil
	}
	for i := len(l) - 1; i >= 0; i-- {
		at, have, err := tailOffset(l[i], n)
		if err != nil {
			return err
		}
		if _, err := l[i].Seek(at, io.SeekStart); err != nil {
			return err
		}
		n -= have
	}
	return nil
}

// tailOffset returns where the last n lines of a file begin, and how many there
// are from there on: fewer if the file has no more.
func tailOffset(f *os.File, n int) (at int64, have int, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	size := info.Size()
	if n == 0 {
		return size, 0, nil
	}
	end, err := endOfLines(f, size)
	if err != nil || end == 0 {
		return 0, 0, err
	}
	buf := make([]byte, 64<<10)
	// A line begins behind the newline of the one before: the last one's own
	// doesn't count.
	for at := end - 1; at > 0; {
		b := buf[:min(at, int64(len(buf)))]
		if _, err := f.ReadAt(b, at-int64(len(b))); err != nil {
			return 0, 0, err
		}
		for {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			if have++; have == n {
				return at - int64(len(b)) + int64(i) + 1, n, nil
			}
			at, b = at-int64(len(b)-i), b[:i]
		}
		at -= int64(len(b))
	}
	return 0, have + 1, nil
}

// endOfLines returns where the lines of a file end. What a writer that was
// killed has left of one behind that is none, unless it lacks no more than its
// newline, which is counted then.
func endOfLines(f *os.File, size int64) (int64, error) {
	tail := make([]byte, 0, 64<<10)
	for at := size; at > 0; {
		n := min(at, 64<<10)
		b := make([]byte, n)
		if _, err := f.ReadAt(b, at-n); err != nil {
			return 0, err
		}
		i := bytes.LastIndexByte(b, '\n')
		tail = append(b[i+1:], tail...)
		at -= n
		if i >= 0 || at == 0 {
			break
		}
	}
	if len(tail) == 0 {
		return size, nil
	}
	if new(LogEntry).parse(tail) {
		return size + 1, nil
	}
	return size - int64(len(tail)), nil
}
