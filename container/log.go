package container

import (
	"bytes"
	"time"
	"unicode/utf8"

	"gocker/container/quickjson"
)

// LogEntry is one line of a container's log, docker's json-file. A line of
// output that is longer than 16 KiB takes several; only the last ends in a
// newline.
type LogEntry struct {
	Log    string            `json:"log"`
	Stream string            `json:"stream"` // "stdout" or "stderr"
	Attrs  map[string]string `json:"attrs,omitempty"`
	Time   time.Time         `json:"time"`
}

const logLine = 16 << 10

// stream is one of the log's streams, nil of a log that keeps nothing.
func (l *logFile) stream(name string) *logStream {
	if l == nil {
		return nil
	}
	return &logStream{log: l, name: name}
}

// logStream is one of the streams. It holds back the beginning of a line until
// its end has come. Its buffers are used again: the monitor of a command that
// prints much stays as small as it is.
type logStream struct {
	log  *logFile
	name string
	part []byte
	out  []byte // entries of one write
}

// write logs the lines that data completes. Entries of one call carry the same
// time, that of their arrival, and reach the file in one write.
func (s *logStream) write(data []byte) error {
	now := time.Now().UTC()
	for len(data) > 0 {
		room := logLine - len(s.part)
		end := bytes.IndexByte(data, '\n') + 1
		whole := end > 0 && end <= room
		if !whole {
			end = min(len(data), room)
		}
		s.part = append(s.part, data[:end]...)
		data = data[end:]
		switch {
		case whole:
			s.encode(len(s.part), now)
		case len(s.part) == logLine:
			s.encode(wholeRunes(s.part), now)
		}
	}
	return s.flush()
}

// close logs what the stream ended with.
func (s *logStream) close() error {
	if len(s.part) > 0 {
		s.encode(len(s.part), time.Now().UTC())
	}
	return s.flush()
}

func (s *logStream) flush() error {
	out := s.out
	s.out = s.out[:0]
	return s.log.append(out)
}

// encode makes the first n bytes that are held back an entry, just as package
// encoding/json would write a [LogEntry].
func (s *logStream) encode(n int, now time.Time) {
	s.out = append(s.out, `{"log":"`...)
	s.out = quickjson.AppendEscaped(s.out, s.part[:n])
	s.out = append(s.out, `","stream":"`...)
	s.out = append(s.out, s.name...)
	s.out = append(append(s.out, '"'), s.log.attrs...)
	s.out = append(s.out, `,"time":"`...)
	s.out = now.AppendFormat(s.out, time.RFC3339Nano)
	s.out = append(s.out, "\"}\n"...)
	s.part = append(s.part[:0], s.part[n:]...)
}

// wholeRunes returns the length of b without a character that its end has cut:
// alone, neither half could be written as JSON.
func wholeRunes(b []byte) int {
	for n := 1; n < utf8.UTFMax; n++ {
		if at := len(b) - n; utf8.RuneStart(b[at]) {
			if !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}
