package container

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Prune removes the containers that don't run and that a filter lets pass, and
// returns their ids and how many bytes they had written. What it can't remove it
// leaves, and goes on.
func (s *Store) Prune(f PruneFilter) (ids []string, bytes int64, err error) {
	all, err := s.List()
	if err != nil {
		return nil, 0, err
	}
	var errs []error
	for _, c := range all {
		if c.State.Up() || !f.Match(c.Created, c.Config.Labels) {
			continue
		}
		written, _, err := c.Size()
		if err == nil {
			err = s.Remove(c.ID, RemoveOptions{})
		}
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			errs = append(errs, err)
		default:
			ids, bytes = append(ids, c.ID), bytes+written
		}
	}
	return ids, bytes, errors.Join(errs...)
}

// PruneFilter says what is removed. The zero value lets all pass.
type PruneFilter struct {
	until   time.Time // created before
	with    []string  // labels, KEY or KEY=VALUE
	without []string
}

// ParsePruneFilter reads docker's conditions of `container prune --filter`:
//
//	until            a time: a duration before now, seconds of the epoch, a date
//	label, label!    KEY or KEY=VALUE
func ParsePruneFilter(conditions []string, now time.Time) (f PruneFilter, err error) {
	for _, text := range conditions {
		key, value, _ := strings.Cut(text, "=")
		switch key {
		case "until":
			if !f.until.IsZero() {
				return f, errors.New("more than one until filter specified")
			}
			if f.until, err = parsePruneTime(value, now); err != nil {
				return f, err
			}
		case "label":
			f.with = append(f.with, value)
		case "label!":
			f.without = append(f.without, value)
		default:
			return f, fmt.Errorf("invalid filter '%s'", key)
		}
	}
	return f, nil
}

// Match reports whether the filter lets pass what was created then and has these
// labels.
func (f PruneFilter) Match(created time.Time, labels map[string]string) bool {
	if !f.until.IsZero() && !created.Before(f.until) {
		return false
	}
	labelled := func(label string) bool { return hasLabel(labels, label) }
	for _, label := range f.with {
		if !labelled(label) {
			return false
		}
	}
	return !slices.ContainsFunc(f.without, labelled)
}

func hasLabel(labels map[string]string, label string) bool {
	name, want, hasValue := strings.Cut(label, "=")
	have, ok := labels[name]
	return ok && (!hasValue || have == want)
}

// parsePruneTime reads a time as docker does: a duration before now, seconds since
// the epoch with an optional fraction, or a date with as much of a time as there
// is, local without a zone.
func parsePruneTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Unix(0, int64(seconds*float64(time.Second))), nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
		"2006-01-02T15Z07:00", "2006-01-02T15", "2006-01-02Z07:00", "2006-01-02",
	} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("failed to parse value %q as time", text)
}
