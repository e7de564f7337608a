package main

import "gocker/container"

// runMonitor is what this program does as the process beside a container whose
// client has gone. It is not for users and no cobra command: there is one form
// of it, made by package container, and a monitor keeps in memory what it has
// built.
func runMonitor(args []string) (isMonitor bool, err error) {
	if len(args) < 7 || args[1] != "--root" || args[3] != "--run-root" || args[5] != "monitor" {
		return false, nil
	}
	store := &container.Store{Root: args[2], RunRoot: args[4]}
	return true, store.Inherit(args[6:]...)
}
