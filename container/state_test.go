package container

import (
	"encoding/json"
	"testing"
	"time"
)

func TestAStateIsEncodedAsJSONWould(t *testing.T) {
	for _, s := range []State{
		{Status: Created},
		{Status: Running, Pid: 4711, StartedAt: time.Now().UTC(), StartTime: 123456, BootID: "b6a1"},
		{
			Status: Exited, ExitCode: 137, OOMKilled: true, Error: "step 3: \"a\\b\"\n\x01 <é>",
			StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), FinishedAt: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		},
	} {
		got, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
