package container

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestFramesArriveAsTheyWereSent(t *testing.T) {
	sent := []struct {
		kind byte
		data string
	}{
		{frameStarted, ""},
		{frameStdout, "hello\n"},
		{frameStderr, strings.Repeat("x", 40<<10)}, // larger than the reader's buffer
		{frameStdout, strings.Repeat("y", maxFrame)},
		{frameExit, `{"Code":1}`},
	}
	var wire bytes.Buffer
	out := frames{w: &wire}
	for _, f := range sent {
		if err := out.write(f.kind, []byte(f.data)); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]io.Reader{
		"whole":        bytes.NewReader(wire.Bytes()),
		"half reads":   iotest.HalfReader(bytes.NewReader(wire.Bytes())),
		"with the end": iotest.DataErrReader(bytes.NewReader(wire.Bytes())),
	} {
		buf := make([]byte, 1024)
		for i, f := range sent {
			kind, data, err := readFrame(r, buf)
			if err != nil || kind != f.kind || string(data) != f.data {
				t.Errorf("%s: frame %d: kind %q, %d bytes, %v; want %q, %d", name, i, kind, len(data), err, f.kind, len(f.data))
			}
		}
		if _, _, err := readFrame(r, buf); err != io.EOF {
			t.Errorf("%s: after the last: %v, want io.EOF", name, err)
		}
	}
}

func TestBrokenFramesAreErrors(t *testing.T) {
	const large = "1\x00\x10\x00\x01" // one byte more than the largest
	for _, c := range []struct{ name, wire, want string }{
		{"cut in the head", "1\x00\x00", io.ErrUnexpectedEOF.Error()},
		{"cut after the head", "1\x00\x00\x00\x05", io.ErrUnexpectedEOF.Error()},
		{"cut in the data", "1\x00\x00\x00\x05abc", io.ErrUnexpectedEOF.Error()},
		{"too large", large, "frame of 1048577 bytes"},
		{"absurdly large", "1\xff\xff\xff\xff", "frame of 4294967295 bytes"},
	} {
		_, _, err := readFrame(iotest.OneByteReader(strings.NewReader(c.wire)), nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, _, err := readFrame(iotest.ErrReader(broken), nil); !errors.Is(err, broken) {
		t.Errorf("a connection that breaks: %v", err)
	}
}

func TestFramesOfTwoWritersDoNotMix(t *testing.T) {
	r, w := io.Pipe()
	out := frames{w: w}
	const each = 200
	var writers sync.WaitGroup
	for _, kind := range []byte{frameStdout, frameStderr} {
		writers.Go(func() {
			data := bytes.Repeat([]byte{kind}, 5000)
			for range each {
				if err := out.write(kind, data); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); w.Close() }()
	seen := map[byte]int{}
	for {
		kind, data, err := readFrame(r, nil)
		if err == io.EOF {
			break
		}
		if err != nil || bytes.Count(data, []byte{kind}) != 5000 {
			t.Fatalf("frame %q: %d bytes of its own of %d, %v", kind, bytes.Count(data, []byte{kind}), len(data), err)
		}
		seen[kind]++
	}
	if seen[frameStdout] != each || seen[frameStderr] != each {
		t.Errorf("%d and %d frames of %d each", seen[frameStdout], seen[frameStderr], each)
	}
}
