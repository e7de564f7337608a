package container

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseLogTime reads a point in time in one of docker's forms:
//
//	2006-01-02T15:04:05.999999999Z   RFC 3339; without a zone it is the local one,
//	2006-01-02T15:04                 and seconds, minutes and hours may be left out
//	1136073845.999999999             seconds since 1970, UTC
//	10m30s                           so long before now
func ParseLogTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02"} {
		if t, err := time.Parse(layout+"Z07:00", text); err == nil {
			return t, nil
		}
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", text)
	}
	if fraction == "" {
		return time.Unix(seconds, 0), nil
	}
	nanos, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 64)
	if err != nil || len(fraction) > 9 {
		return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", text)
	}
	return time.Unix(seconds, int64(nanos)), nil
}
