package cgroup

import (
	"strings"
	"testing"
)

func TestAHostTellsItsVersionsAndControllers(t *testing.T) {
	v2, _ := fakeV2(t, "cpu memory pids")
	v1, _ := fakeV1(t, false)
	hybrid, _ := fakeV1(t, true)
	for _, c := range []struct {
		name        string
		host        *Host
		v1, v2      bool
		controllers string
	}{
		{"nothing mounted", probe(t, "", ""), false, false, ""},
		{"version 2", v2, false, true, "cpu memory pids"},
		{"version 1", v1, true, false, "cpu cpuacct cpuset devices memory pids"},
		{"hybrid", hybrid, true, true, "cpu cpuacct cpuset devices memory pids"},
	} {
		isV1, isV2 := c.host.Versions()
		got := strings.Join(c.host.Controllers(), " ")
		if isV1 != c.v1 || isV2 != c.v2 || got != c.controllers {
			t.Errorf("%s: version 1 %v, version 2 %v, controllers %q, want %v, %v, %q", c.name, isV1, isV2, got, c.v1, c.v2, c.controllers)
		}
	}
}
