package container

import (
	"fmt"
	"testing"
)

func TestADeviceIsReadAsInDocker(t *testing.T) {
	for in, want := range map[string]string{
		"/dev/a":             "{/dev/a /dev/a rwm}",
		"/dev/a:r":           "{/dev/a /dev/a r}",
		"/dev/a:mr":          "{/dev/a /dev/a mr}",
		"/dev/a:/dev/b":      "{/dev/a /dev/b rwm}",
		"/dev/a:/dev/b:rw":   "{/dev/a /dev/b rw}",
		"/dev/a:/dev/b:rr":   "bad mode specified: rr",
		"/dev/a:/dev/b:x":    "bad mode specified: x",
		"/dev/a:b":           "b is not an absolute path",
		"a":                  "a is not an absolute path",
		"":                   "bad format for path: ",
		":/dev/b":            "bad format for path: :/dev/b",
		"/dev/a:/dev/b:rw:x": "bad format for path: /dev/a:/dev/b:rw:x",
	} {
		d, err := ParseDevice(in)
		got := fmt.Sprint(d)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestADeviceRuleIsReadAsInDocker(t *testing.T) {
	for in, want := range map[string]string{
		"c 1:3 rwm": "c 1:3 rwm", "b *:* m": "b -1:-1 m", "a 7:* r": "a 7:-1 r",
		"": "error", "c 1:3": "error", "c 1 r": "error", "d 1:3 r": "error", "c 1:3 x": "error", "c -1:3 r": "error", "c 1:3  r": "error", "c 1:3 ": "error",
	} {
		number := func(n *int64) int64 {
			if n == nil {
				return -1
			}
			return *n
		}
		r, err := ParseDeviceRule(in)
		got := fmt.Sprintf("%s %d:%d %s", r.Type, number(r.Major), number(r.Minor), r.Access)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
