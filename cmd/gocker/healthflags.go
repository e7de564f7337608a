package main

import (
	"errors"
	"fmt"
	"time"

	"gocker/container"

	"github.com/spf13/pflag"
)

// healthFlags are the flags of run and create for a health check.
type healthFlags struct {
	cmd     string
	none    bool
	retries int
	timing  container.Healthcheck
}

// durations are the flags that are a time.
func (f *healthFlags) durations() []healthDuration {
	return []healthDuration{
		{"health-interval", &f.timing.Interval, "Time between running the check (ms|s|m|h) (default 0s)"},
		{"health-timeout", &f.timing.Timeout, "Maximum time to allow one check to run (ms|s|m|h) (default 0s)"},
		{"health-start-period", &f.timing.StartPeriod, "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)"},
		{"health-start-interval", &f.timing.StartInterval, "Time between running the check during the start period (ms|s|m|h) (default 0s)"},
	}
}

type healthDuration struct {
	name string
	to   *time.Duration
	help string
}

func (f *healthFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.cmd, "health-cmd", "", "Command to run to check health")
	for _, d := range f.durations() {
		flags.DurationVar(d.to, d.name, 0, d.help)
	}
	flags.IntVar(&f.retries, "health-retries", 0, "Consecutive failures needed to report unhealthy")
	flags.BoolVar(&f.none, "no-healthcheck", false, "Disable any container-specified HEALTHCHECK")
}

// apply adds what the flags say to a container's configuration, if they say
// anything.
func (f *healthFlags) apply(o *container.Options) error {
	for _, d := range f.durations() {
		if *d.to < 0 {
			return fmt.Errorf("--%s cannot be negative", d.name)
		}
	}
	if f.retries < 0 {
		return errors.New("--health-retries cannot be negative")
	}
	check := f.timing
	check.Retries = f.retries
	asked := f.cmd != "" || check.Retries != 0 || check.Interval != 0 || check.Timeout != 0 || check.StartPeriod != 0 || check.StartInterval != 0
	switch {
	case f.none && asked:
		return errors.New("--no-healthcheck conflicts with --health-* options")
	case f.none:
		o.Config.Healthcheck = &container.Healthcheck{Test: []string{"NONE"}}
	case asked:
		if f.cmd != "" {
			check.Test = []string{"CMD-SHELL", f.cmd}
		}
		o.Config.Healthcheck = &check
	}
	return nil
}
