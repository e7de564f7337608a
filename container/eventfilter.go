package container

import (
	"fmt"
	"slices"
	"strings"
)

// EventFilter says which events are shown. The zero value lets all pass.
type EventFilter map[string][]string

// eventFilters are docker's; gocker has no events of the things that the second
// line names.
var eventFilters = []string{
	"container", "event", "image", "label", "type",
	"config", "daemon", "network", "node", "plugin", "scope", "secret", "service", "volume",
}

// ParseEventFilter reads conditions of the form key=value (moby,
// daemon/events/filter.go). Values of one key are alternatives, but for labels,
// which must all be there.
//
//	container   an id, a name, or the beginning of either
//	event       an action; what follows a colon in it need not be said
//	image       an image's name, with or without its tag, or the beginning of its id
//	label       KEY or KEY=VALUE
//	type        container or image
func ParseEventFilter(conditions []string) (EventFilter, error) {
	f := EventFilter{}
	for _, text := range conditions {
		key, value, _ := strings.Cut(text, "=")
		if !slices.Contains(eventFilters, key) {
			return nil, fmt.Errorf("invalid filter '%s'", key)
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

// Match reports whether an event is to be shown.
func (f EventFilter) Match(e Event) bool {
	for key, values := range f {
		holds := func(value string) bool { return e.is(key, value) }
		if key == "label" && !slices.ContainsFunc(values, func(v string) bool { return !holds(v) }) {
			continue
		}
		if key == "label" || !slices.ContainsFunc(values, holds) {
			return false
		}
	}
	return true
}

func (e Event) is(key, value string) bool {
	begins := func(text string) bool { return text != "" && strings.HasPrefix(text, value) }
	switch key {
	case "container":
		return e.Type == "container" && (begins(e.ID) || begins(e.Attributes["name"]))
	case "event":
		action, _, _ := strings.Cut(e.Action, ":")
		return e.Action == value || action == value
	case "image":
		name := e.Attributes["image"]
		if e.Type == "image" {
			if begins(e.ID) {
				return true
			}
			name = e.Attributes["name"]
		}
		untagged := name
		if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
			untagged = name[:i]
		}
		return value == name || value == untagged
	case "label":
		return hasLabel(e.Attributes, value)
	case "scope":
		return value == "local"
	case "type":
		return e.Type == value
	}
	return false
}
