package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Healthcheck is a command that tells whether a container works, in the form of
// an image's HEALTHCHECK. Zero means what the image says, and where that says
// nothing docker's default.
type Healthcheck struct {
	// Test is empty for the image's, {"NONE"} for none, {"CMD", ARG…} or
	// {"CMD-SHELL", LINE}.
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"` // from the end of one to the start of the next
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"` // in which failures don't count
	StartInterval time.Duration `json:",omitempty"` // until it is healthy or that has passed
	Retries       int           `json:",omitempty"` // failures that make it unhealthy
}

// The words for a container's health. One without a check has none.
const (
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// Health is what the checks of a container's last run have found.
type Health struct {
	Status        string
	FailingStreak int
	Log           []HealthResult // the last five
}

// HealthWord is docker's word for the health, "none" without a check.
func (s State) HealthWord() string {
	if s.Health == nil {
		return "none"
	}
	return s.Health.Status
}

// HealthResult is one check.
type HealthResult struct {
	Start, End time.Time
	ExitCode   int // -1 of one that took too long or could not be executed
	Output     string
}

// validate checks what has been asked for, in docker's words.
func (h *Healthcheck) validate() error {
	if h == nil {
		return nil
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Interval", h.Interval}, {"Timeout", h.Timeout}, {"StartPeriod", h.StartPeriod}, {"StartInterval", h.StartInterval}} {
		if d.value != 0 && d.value < time.Millisecond {
			return fmt.Errorf("%s in Healthcheck cannot be less than 1ms", d.name)
		}
	}
	if h.Retries < 0 {
		return errors.New("Retries in Healthcheck cannot be negative")
	}
	return nil
}

// withImage completes what has been asked for by what the image says; nil asks
// for nothing.
func (h *Healthcheck) withImage(image *v1.HealthConfig) *Healthcheck {
	if image == nil {
		return h
	}
	all := Healthcheck{
		Test: image.Test, Interval: image.Interval, Timeout: image.Timeout,
		StartPeriod: image.StartPeriod, Retries: image.Retries,
	}
	if h == nil {
		return &all
	}
	if len(h.Test) > 0 {
		all.Test = h.Test
	}
	for _, d := range []struct {
		asked time.Duration
		to    *time.Duration
	}{{h.Interval, &all.Interval}, {h.Timeout, &all.Timeout}, {h.StartPeriod, &all.StartPeriod}, {h.StartInterval, &all.StartInterval}} {
		if d.asked != 0 {
			*d.to = d.asked
		}
	}
	if h.Retries != 0 {
		all.Retries = h.Retries
	}
	return &all
}

// command is what is executed, nil where there is nothing to check.
func (h *Healthcheck) command() []string {
	if h == nil || len(h.Test) < 2 {
		return nil
	}
	switch h.Test[0] {
	case "CMD":
		return h.Test[1:]
	case "CMD-SHELL":
		return append([]string{"/bin/sh", "-c"}, h.Test[1:]...)
	}
	return nil
}

func (h *Healthcheck) timeout() time.Duration { return orElse(h.Timeout, 30*time.Second) }

// orElse is a duration, or docker's default.
func orElse(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// pause is the time until the next check of a container that has run for a while.
// As soon as the start period is over, there is one.
func (h *Healthcheck) pause(status string, ran time.Duration) time.Duration {
	interval, left := orElse(h.Interval, 30*time.Second), h.StartPeriod-ran
	switch {
	case left <= 0:
		return interval
	case status == Starting:
		return min(left, orElse(h.StartInterval, 5*time.Second))
	}
	return min(left, interval)
}

// add takes the result of a check that began when the container had run for a
// while.
func (s *Health) add(h *Healthcheck, r HealthResult, ran time.Duration) {
	const kept = 5
	s.Log = append(s.Log, r)
	s.Log = s.Log[max(0, len(s.Log)-kept):]
	retries := h.Retries
	if retries == 0 {
		retries = 3
	}
	switch {
	case r.ExitCode == 0:
		s.Status, s.FailingStreak = Healthy, 0
	case s.Status == Starting && ran < h.StartPeriod:
	default:
		if s.FailingStreak++; s.FailingStreak >= retries {
			s.Status = Unhealthy
		}
	}
}

func (c *Container) healthFile() string { return filepath.Join(c.dir, "health.json") }

// readHealth reads what the prober has found. As in docker, a container that has
// ended is not healthy.
func (c *Container) readHealth() error {
	if c.Config.Healthcheck.command() == nil {
		return nil
	}
	var h Health
	err := readJSON(c.healthFile(), &h)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has never run
	}
	if err != nil {
		return err
	}
	if c.State.Status != Running {
		h.Status = Unhealthy
	}
	c.State.Health = &h
	return nil
}

func (c *Container) writeHealth(h *Health) error { return writeJSON(c.healthFile(), h, false) }
