package main

import "gocker/container"

// runMonitor is what this program does as a process beside a container: the
// monitor of one whose client has gone, or the prober of one with a health check.
// It is not for users and no cobra command: there is one form of each, made by
// package container, and they keep in memory what they have built.
func runMonitor(args []string) (isMonitor bool, err error) {
	if len(args) < 7 || args[1] != "--root" || args[3] != "--run-root" {
		return false, nil
	}
	store := &container.Store{Root: args[2], RunRoot: args[4]}
	switch args[5] {
	case "monitor":
		return true, store.Inherit(args[6:]...)
	case "prober":
		return true, store.Probe(args[6])
	}
	return false, nil
}
