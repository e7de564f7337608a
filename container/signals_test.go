package container

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestASignalIsANameOrANumber(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "sigusr1": unix.SIGUSR1, "9": unix.SIGKILL, "64": 64,
		"CLD": unix.SIGCHLD, "IOT": unix.SIGABRT, "poll": unix.SIGIO,
		"RTMIN": 34, "SIGRTMIN+3": 37, "RTMAX-1": 63, "rtmax": 64,
	} {
		if got, err := ParseSignal(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "65", "FOO", "SIG", "SIGSIGTERM", "RTMIN3", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+", "TERM "} {
		if got, err := ParseSignal(text); err == nil || err.Error() != "invalid signal: "+text {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}
