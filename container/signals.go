package container

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ParseSignal reads a signal as a user gives it: its name, with or without SIG
// and in any case, RTMIN+n and RTMAX-n, or its number. See signal(7).
func ParseSignal(text string) (unix.Signal, error) {
	invalid := fmt.Errorf("invalid signal: %s", text)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > lastSignal {
			return 0, invalid
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for _, base := range []struct {
		name   string
		number int
	}{{"RTMIN", firstRealTime}, {"RTMAX", lastSignal}} {
		rest, ok := strings.CutPrefix(name, base.name)
		if !ok {
			continue
		}
		n := 0
		if rest != "" {
			var err error
			// The sign is part of it, and without one it is another name.
			if n, err = strconv.Atoi(rest); err != nil || rest[0] != '+' && rest[0] != '-' {
				return 0, invalid
			}
		}
		if n += base.number; n < firstRealTime || n > lastSignal {
			return 0, invalid
		}
		return unix.Signal(n), nil
	}
	switch name { // second names
	case "CLD":
		name = "CHLD"
	case "IOT":
		name = "ABRT"
	case "POLL":
		name = "IO"
	}
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	return 0, invalid
}

func validSignal(text string) bool {
	_, err := ParseSignal(text)
	return err == nil
}

const (
	firstRealTime = 34 // libc keeps the two before for itself
	lastSignal    = 64
)

// stopSignal is what asks the container to end.
func (c *Container) stopSignal() (unix.Signal, error) {
	if c.Config.StopSignal == "" {
		return unix.SIGTERM, nil
	}
	return ParseSignal(c.Config.StopSignal)
}
