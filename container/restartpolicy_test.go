package container

import (
	"testing"
	"time"
)

func TestARestartPolicyIsReadInDockersForm(t *testing.T) {
	for _, tc := range []struct {
		text string
		want RestartPolicy
		err  string
	}{
		{text: "no", want: RestartPolicy{Name: "no"}},
		{text: "always", want: RestartPolicy{Name: "always"}},
		{text: "unless-stopped", want: RestartPolicy{Name: "unless-stopped"}},
		{text: "on-failure", want: RestartPolicy{Name: "on-failure"}},
		{text: "on-failure:3", want: RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}},
		{text: "on-failure:", want: RestartPolicy{Name: "on-failure"}},
		{text: "", want: RestartPolicy{}},
		{text: ":3", err: "invalid restart policy format: no policy provided before colon"},
		{text: "on-failure:x", err: "invalid restart policy format: maximum retry count must be an integer"},
		{text: "on-failure:-1", err: "invalid restart policy: maximum retry count cannot be negative"},
		{text: "always:3", err: "invalid restart policy: maximum retry count can only be used with 'on-failure'"},
		{text: "no:-3", err: "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative"},
		{text: "never", err: "invalid restart policy: unknown policy 'never'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"},
	} {
		got, err := ParseRestartPolicy(tc.text)
		if err == nil {
			err = got.validate()
		}
		switch {
		case tc.err != "" && (err == nil || err.Error() != tc.err):
			t.Errorf("%q: error %v, want %s", tc.text, err, tc.err)
		case tc.err == "" && (err != nil || got != tc.want):
			t.Errorf("%q: %+v, %v, want %+v", tc.text, got, err, tc.want)
		}
	}
}

func TestTheExitCodeAndTheCountSayWhetherAContainerRestarts(t *testing.T) {
	for _, tc := range []struct {
		policy      string
		code, count int
		want        bool
	}{
		{"no", 1, 0, false},
		{"", 1, 0, false},
		{"always", 0, 9, true},
		{"unless-stopped", 1, 9, true},
		{"on-failure", 0, 0, false},
		{"on-failure", 1, 1000, true},
		{"on-failure:2", 1, 1, true},
		{"on-failure:2", 1, 2, false},
	} {
		p, err := ParseRestartPolicy(tc.policy)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.restarts(State{ExitCode: tc.code, RestartCount: tc.count}); got != tc.want {
			t.Errorf("%s, exit code %d, the %d. time: %v, want %v", tc.policy, tc.code, tc.count, got, tc.want)
		}
	}
}

func TestTheDelayOfARestartDoublesUntilTheContainerHasRunForAWhile(t *testing.T) {
	start := time.Now()
	for _, tc := range []struct{ last, ran, want time.Duration }{
		{0, 0, 100 * time.Millisecond},
		{100 * time.Millisecond, time.Second, 200 * time.Millisecond},
		{200 * time.Millisecond, 9999 * time.Millisecond, 400 * time.Millisecond},
		{51200 * time.Millisecond, 0, time.Minute},
		{time.Minute, 0, time.Minute},
		{time.Minute, 10 * time.Second, 100 * time.Millisecond},
	} {
		s := State{RestartDelay: tc.last, StartedAt: start, FinishedAt: start.Add(tc.ran)}
		if got := s.nextRestartDelay(); got != tc.want {
			t.Errorf("after a delay of %v and a run of %v: %v, want %v", tc.last, tc.ran, got, tc.want)
		}
	}
}
