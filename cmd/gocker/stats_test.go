package main

import (
	"testing"
	"time"

	"gocker/container"
)

func TestStatsAreCountedAsDockerCountsThem(t *testing.T) {
	ctr := &container.Container{Name: "box", Record: container.Record{ID: "0123456789abcdef"}}
	before := container.Usage{CPU: time.Second, Host: 10 * time.Second, CPUs: 4}
	now := container.Usage{
		CPU: 1500 * time.Millisecond, Host: 14 * time.Second, CPUs: 4,
		Memory: 3 << 20, MemoryLimit: 64 << 20, Received: 1234, Sent: 5, BlockRead: 4096, BlockWrite: 1e6, Pids: 2,
	}
	want := statsRow{
		BlockIO: "4.1kB / 1MB", CPUPerc: "50.00%", ID: "0123456789ab", MemPerc: "4.69%", MemUsage: "3MiB / 64MiB",
		Name: "box", NetIO: "1.23kB / 5B", PIDs: "2",
	}
	if got := newStatsRow(ctr, before, now); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	want.CPUPerc = "0.00%" // nothing was known before
	if got := newStatsRow(ctr, container.Usage{}, now); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
