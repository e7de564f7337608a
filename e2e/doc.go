// Package e2e runs gocker as a user does: scripts in testdata, each named after
// what a user wants, against the real binary, a real registry and this kernel.
//
// A *script* is a txtar file for testscript. A *lane* is one run of all scripts:
// "host" is this machine's kernel, "vm" a kernel with nothing but cgroup v2 (see
// vm/run.sh). A script that a lane can't run says so with skip and the reason;
// lanes.sh fails when a script ran in no lane.
//
// Each script has a gocker root of its own ($GOCKER_ROOT, $GOCKER_RUN_ROOT), on
// the filesystem that $E2E_DIR names, and shares the registry ($REGISTRY), which
// has one image for each name of package fixture. After each script the harness
// looks for what it left: see leaks_test.go. The network namespace is the suite's
// own, see network_test.go; all of its scripts are in it. The machine's process
// table has the processes of all scripts that run beside it: $SLEEP are seconds
// that only this one sleeps.
//
// Beside testscript's commands there are those of commands_test.go:
//
//	gocker ARG...               run gocker; ! before it when it has to fail
//	exit N COMMAND...           run a command and demand exit status N
//	capture NAME COMMAND...     run a command and set $NAME to what it printed
//	waitfor COMMAND...          run a command again until it succeeds
//	json PATH VALUE             compare a jq path of the last stdout
//	background NAME COMMAND...  start a command
//	signal NAME SIG             send it a signal
//	finish NAME N               wait for its end and demand exit status N
//
// and the conditions [cgroup-v2] and [vm].
//
// The chapters of docs/tutorial are run too: see tutorial_test.go, and for what
// their blocks may hold, docs/tutorial/README.md.
package e2e
