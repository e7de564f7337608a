package container

import (
	"testing"
	"time"
)

func TestATimeIsReadInDockersForms(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.FixedZone("here", 3600)
	now := time.Date(2026, 5, 6, 7, 8, 9, 10, time.UTC)
	for text, want := range map[string]string{
		"10m30s":                         "2026-05-06T06:57:39.00000001Z",
		"1.5h":                           "2026-05-06T05:38:09.00000001Z",
		"-1s":                            "2026-05-06T07:08:10.00000001Z",
		"2006-01-02T15:04:05.123456789Z": "2006-01-02T15:04:05.123456789Z",
		"2006-01-02T15:04:05+02:00":      "2006-01-02T13:04:05Z",
		"2006-01-02T15:04:05":            "2006-01-02T14:04:05Z",
		"2006-01-02T15:04:05.5":          "2006-01-02T14:04:05.5Z",
		"2006-01-02T15:04Z":              "2006-01-02T15:04:00Z",
		"2006-01-02T15:04":               "2006-01-02T14:04:00Z",
		"2006-01-02T15":                  "2006-01-02T14:00:00Z",
		"2006-01-02":                     "2006-01-01T23:00:00Z",
		"2006-01-02Z":                    "2006-01-02T00:00:00Z",
		"1136073845":                     "2006-01-01T00:04:05Z",
		"1136073845.000000001":           "2006-01-01T00:04:05.000000001Z",
		"1136073845.5":                   "2006-01-01T00:04:05.5Z",
		"0":                              "1970-01-01T00:00:00Z",
	} {
		got, err := ParseLogTime(text, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s is %v (%v), want %s", text, got.UTC(), err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "1.2.3", "1.0000000001", "1.-1", "2006-13-01", "10x"} {
		if got, err := ParseLogTime(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
