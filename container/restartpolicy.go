package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// RestartPolicy says whether a container is started again when it has ended by
// itself.
type RestartPolicy struct {
	Name              string // one of the words below; "" is no
	MaximumRetryCount int    // of on-failure; zero is for ever
}

// Docker's restart policies.
const (
	restartNo            = "no"
	restartOnFailure     = "on-failure" // when the exit code is not zero
	restartAlways        = "always"
	restartUnlessStopped = "unless-stopped" // as always, but a boot does not undo a stop
)

// ParseRestartPolicy reads docker's form, NAME or on-failure:COUNT. It does not look
// at whether they make sense, as [Options] and [Store.Update] do.
func ParseRestartPolicy(text string) (RestartPolicy, error) {
	name, count, counted := strings.Cut(text, ":")
	p := RestartPolicy{Name: name}
	if counted && name == "" {
		return p, errors.New("invalid restart policy format: no policy provided before colon")
	}
	if count != "" {
		var err error
		if p.MaximumRetryCount, err = strconv.Atoi(count); err != nil {
			return p, errors.New("invalid restart policy format: maximum retry count must be an integer")
		}
	}
	return p, nil
}

func (p RestartPolicy) validate() error {
	switch p.Name {
	case "", restartNo, restartAlways, restartUnlessStopped:
		switch {
		case p.MaximumRetryCount > 0:
			return errors.New("invalid restart policy: maximum retry count can only be used with 'on-failure'")
		case p.MaximumRetryCount < 0:
			return errors.New("invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative")
		}
	case restartOnFailure:
		if p.MaximumRetryCount < 0 {
			return errors.New("invalid restart policy: maximum retry count cannot be negative")
		}
	default:
		return fmt.Errorf("invalid restart policy: unknown policy '%s'; use one of '%s', '%s', '%s', or '%s'", p.Name, restartNo, restartAlways, restartOnFailure, restartUnlessStopped)
	}
	return nil
}

// active reports whether the policy ever starts anything.
func (p RestartPolicy) active() bool { return p.Name != "" && p.Name != restartNo }

// restarts reports whether a container is started again that has ended in this state
// and that nobody has stopped.
func (p RestartPolicy) restarts(st State) bool {
	if p.Name == restartOnFailure {
		return st.ExitCode != 0 && (p.MaximumRetryCount == 0 || st.RestartCount < p.MaximumRetryCount)
	}
	return p.active()
}

// How long a container waits before it is started again: as docker, twice as long
// each time, and from the beginning once it has run for a while.
const (
	firstRestartDelay = 100 * time.Millisecond
	lastRestartDelay  = time.Minute
	restartDelayReset = 10 * time.Second
)

// nextRestartDelay is the delay before the next start of a container that has just
// ended.
func (s State) nextRestartDelay() time.Duration {
	if s.RestartDelay == 0 || s.FinishedAt.Sub(s.StartedAt) >= restartDelayReset {
		return firstRestartDelay
	}
	return min(2*s.RestartDelay, lastRestartDelay)
}

// StartsAfterBoot reports whether a container that doesn't run is to be started after
// a boot, by docker's rules for a start of its daemon.
func (c *Container) StartsAfterBoot() (bool, error) {
	p := c.HostConfig.RestartPolicy
	if c.State.Up() || c.State.StartedAt.IsZero() || !p.restarts(c.State) {
		return false, nil
	}
	if p.Name == restartAlways {
		return true, nil
	}
	stopped, err := c.wasStopped()
	return !stopped, err
}
