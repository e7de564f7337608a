package container

import (
	"bytes"
	"encoding/json"
)

// parse reads one line of a log, and reports whether it is an entry. Most lines
// are of the form that [logStream] writes; encoding/json, which needs several
// times as long, reads the others.
func (e *LogEntry) parse(line []byte) bool {
	if e.parsePlain(line) {
		return true
	}
	*e = LogEntry{}
	return json.Unmarshal(line, e) == nil && e.Stream != ""
}

// parsePlain reads an entry without attributes.
func (e *LogEntry) parsePlain(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte(`{"log":"`))
	if !ok {
		return false
	}
	if e.Log, rest, ok = cutString(rest); !ok {
		return false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"stream":"std`)); !ok || len(rest) < 3 {
		return false
	}
	switch string(rest[:3]) {
	case "out":
		e.Stream = "stdout"
	case "err":
		e.Stream = "stderr"
	default:
		return false
	}
	if rest, ok = bytes.CutPrefix(rest[3:], []byte(`","time":"`)); !ok {
		return false
	}
	stamp, rest, ok := bytes.Cut(rest, []byte{'"'})
	if !ok || string(bytes.TrimSuffix(rest, []byte{'\n'})) != "}" {
		return false
	}
	return e.Time.UnmarshalText(stamp) == nil
}

// cutString cuts a JSON string's text off, up to its closing quote, and undoes
// the escapes that are common in output.
func cutString(b []byte) (text string, rest []byte, ok bool) {
	end := bytes.IndexAny(b, `"\`)
	if end < 0 {
		return "", nil, false
	}
	out := make([]byte, 0, end+64)
	for {
		out = append(out, b[:end]...)
		if b[end] == '"' {
			return string(out), b[end+1:], true
		}
		if end+1 >= len(b) {
			return "", nil, false
		}
		switch c := b[end+1]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case '"', '\\':
			out = append(out, c)
		default:
			return "", nil, false
		}
		b = b[end+2:]
		if end = bytes.IndexAny(b, `"\`); end < 0 {
			return "", nil, false
		}
	}
}
