package container

import (
	"reflect"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestFailuresCountAfterTheStartPeriod(t *testing.T) {
	check := &Healthcheck{StartPeriod: time.Minute, Retries: 2}
	h := Health{Status: Starting}
	for i, c := range []struct {
		code   int
		ran    time.Duration
		status string
		streak int
	}{
		{1, time.Second, Starting, 0},
		{-1, 59 * time.Second, Starting, 0},
		{1, time.Minute, Starting, 1},
		{0, 2 * time.Minute, Healthy, 0},
		{1, 3 * time.Minute, Healthy, 1},
		{1, 4 * time.Minute, Unhealthy, 2},
		{2, 5 * time.Minute, Unhealthy, 3},
		{0, 6 * time.Minute, Healthy, 0},
	} {
		h.add(check, HealthResult{ExitCode: c.code}, c.ran)
		if h.Status != c.status || h.FailingStreak != c.streak || len(h.Log) != min(i+1, 5) {
			t.Errorf("check %d: %+v", i, h)
		}
	}
	early := Health{Status: Starting}
	early.add(check, HealthResult{}, time.Second)
	early.add(check, HealthResult{ExitCode: 1}, 2*time.Second)
	if early.FailingStreak != 1 { // it has been healthy
		t.Errorf("%+v", early)
	}
	if h.Log[0].ExitCode != 0 || h.Log[4].ExitCode != 0 {
		t.Errorf("the last five are %+v", h.Log)
	}
}

func TestTheStartPeriodHasItsOwnInterval(t *testing.T) {
	check := &Healthcheck{Interval: 10 * time.Second, StartPeriod: time.Minute, StartInterval: 2 * time.Second}
	for _, c := range []struct {
		check  *Healthcheck
		status string
		ran    time.Duration
		want   time.Duration
	}{
		{check, Starting, 0, 2 * time.Second},
		{check, Starting, 59 * time.Second, time.Second},
		{check, Healthy, 0, 10 * time.Second},
		{check, Healthy, 55 * time.Second, 5 * time.Second},
		{check, Starting, time.Minute, 10 * time.Second},
		{&Healthcheck{}, Starting, 0, 30 * time.Second},
		{&Healthcheck{StartPeriod: time.Minute}, Starting, 0, 5 * time.Second},
	} {
		if got := c.check.pause(c.status, c.ran); got != c.want {
			t.Errorf("%s after %v: %v, want %v", c.status, c.ran, got, c.want)
		}
	}
}

func TestAHealthCheckIsTheUsersOnTopOfTheImages(t *testing.T) {
	image := &v1.HealthConfig{Test: []string{"CMD", "a"}, Interval: 1, Timeout: 2, StartPeriod: 3, Retries: 4}
	for _, c := range []struct {
		asked *Healthcheck
		image *v1.HealthConfig
		want  *Healthcheck
	}{
		{nil, nil, nil},
		{nil, image, &Healthcheck{Test: []string{"CMD", "a"}, Interval: 1, Timeout: 2, StartPeriod: 3, Retries: 4}},
		{&Healthcheck{Test: []string{"CMD-SHELL", "b"}}, image, &Healthcheck{Test: []string{"CMD-SHELL", "b"}, Interval: 1, Timeout: 2, StartPeriod: 3, Retries: 4}},
		{&Healthcheck{Interval: 9, StartInterval: 8, Retries: 7}, image, &Healthcheck{Test: []string{"CMD", "a"}, Interval: 9, Timeout: 2, StartPeriod: 3, StartInterval: 8, Retries: 7}},
		{&Healthcheck{Test: []string{"NONE"}}, nil, &Healthcheck{Test: []string{"NONE"}}},
	} {
		if got := c.asked.withImage(c.image); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v with %+v: %+v", c.asked, c.image, got)
		}
	}
	for _, h := range []*Healthcheck{nil, {}, {Test: []string{"NONE"}}, {Test: []string{"CMD"}}, {Test: []string{"ELSE", "a"}}} {
		if got := h.command(); got != nil {
			t.Errorf("%+v executes %q", h, got)
		}
	}
}
