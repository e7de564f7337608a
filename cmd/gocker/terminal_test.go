package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"gocker/container"
)

func TestDetachKeysAreReadAsDockers(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ctrl-p,ctrl-q", "\x10\x11"},
		{"ctrl-a", "\x01"},
		{"ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", "\x00\x1b\x1c\x1d\x1e\x1f"},
		{"a,ctrl-z,b", "a\x1ab"},
		{"", ""},
	} {
		if got, err := parseDetachKeys(c.text); err != nil || string(got) != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	for _, bad := range []string{"ctrl-", "ctrl-p,", "ctrl-pq", "ab", ",", "ctrl-1"} {
		if got, err := parseDetachKeys(bad); err == nil {
			t.Errorf("%q: got %q", bad, got)
		}
	}
}

func TestDetachKeysEndTheInput(t *testing.T) {
	const keys = "\x10\x11"
	for _, c := range []struct {
		in, want string
		detached bool
	}{
		{"text", "text", false},
		{"text" + keys + "more", "text", true},
		{"\x10text", "\x10text", false},
		{"\x10" + keys, "\x10", true},
		{"a\x11b" + keys, "a\x11b", true},
		{"\x10a\x10\x10\x10\x11", "\x10a\x10\x10", true},
		{keys, "", true},
		{"text\x10", "text\x10", false},
		{"", "", false},
	} {
		for name, r := range map[string]io.Reader{
			"whole":           strings.NewReader(c.in),
			"byte by byte":    iotest.OneByteReader(strings.NewReader(c.in)),
			"end with data":   iotest.DataErrReader(strings.NewReader(c.in)),
			"half of it read": iotest.HalfReader(strings.NewReader(c.in)),
		} {
			got, err := io.ReadAll(&detachReader{r: r, keys: []byte(keys)})
			if string(got) != c.want || errors.Is(err, container.ErrDetached) != c.detached {
				t.Errorf("%q, %s: got %q, %v, want %q", c.in, name, got, err, c.want)
			}
		}
	}
}
