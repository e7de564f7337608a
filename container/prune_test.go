package container

import (
	"testing"
	"time"
)

func TestWhatIsPrunedIsChosenByAgeAndLabels(t *testing.T) {
	zone := time.FixedZone("here", 2*60*60)
	now := time.Date(2024, 5, 6, 12, 0, 0, 0, zone)
	c := &Container{Record: Record{
		Created: now.Add(-time.Hour),
		Config:  Config{Labels: map[string]string{"keep": "yes", "empty": ""}},
	}}
	for _, test := range []struct {
		conditions []string
		want       bool
	}{
		{nil, true},
		{[]string{"until=30m"}, true},
		{[]string{"until=2h"}, false},
		{[]string{"until=1714986000"}, false},
		{[]string{"until=1714986000.5"}, true},
		{[]string{"until=2024-05-06T11:00:01"}, true},
		{[]string{"until=2024-05-06T09:00:01Z"}, true},
		{[]string{"until=2024-05-06T11:00"}, false},
		{[]string{"until=2024-05-06"}, false},
		{[]string{"until=2024-05-07"}, true},
		{[]string{"label=keep"}, true},
		{[]string{"label=keep=yes"}, true},
		{[]string{"label=keep=no"}, false},
		{[]string{"label=empty="}, true},
		{[]string{"label=keep", "label=other"}, false},
		{[]string{"label!=keep"}, false},
		{[]string{"label!=keep=no", "label!=other"}, true},
		{[]string{"label=keep", "label!=empty"}, false},
		{[]string{"label=keep", "until=2h"}, false},
	} {
		f, err := ParsePruneFilter(test.conditions, now)
		if err != nil {
			t.Errorf("%q: %v", test.conditions, err)
		} else if got := f.Match(c.Created, c.Config.Labels); got != test.want {
			t.Errorf("%q: %v", test.conditions, got)
		}
	}
	for _, conditions := range [][]string{{"until=soon"}, {"until="}, {"until=1h", "until=2h"}, {"name=x"}, {""}} {
		if _, err := ParsePruneFilter(conditions, now); err == nil {
			t.Errorf("%q is accepted", conditions)
		}
	}
}
