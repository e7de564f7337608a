package container

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// startCode is the exit code of a run whose command could not start: 127 for a
// command that is not there, 126 for one that can't be executed, 125 for
// gocker's own failures.
func startCode(err error) int {
	if execFailed(err) == nil {
		return 125
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return 127
	default:
		return 126
	}
}

// execFailed returns the exec step that failed, nil when it was another.
func execFailed(err error) *step.Exec {
	var failed *step.Error
	if !errors.As(err, &failed) {
		return nil
	}
	if exec, ok := failed.Step.(step.Exec); ok {
		return &exec
	}
	return nil
}

// startMessage tells why a container did not start, in docker's words where it
// has them.
func startMessage(c *Container, err error) string {
	exec := execFailed(err)
	if exec == nil {
		return err.Error()
	}
	reason := err
	var failed *step.Error
	if errors.As(err, &failed) {
		reason = failed.Err
	}
	if errors.Is(err, unix.ENOENT) && !strings.Contains(c.Path, "/") {
		return fmt.Sprintf("failed to create task for container: step %d of %d: exec: %q: executable file not found in $PATH", failed.Index, failed.Total, c.Path)
	}
	return fmt.Sprintf("failed to create task for container: step %d of %d: exec: %q: %v", failed.Index, failed.Total, c.Path, reason)
}

// parseStartTime reads the start time from a line of /proc/<pid>/stat. The
// second field, the command, may hold anything, so it counts from its end.
func parseStartTime(stat []byte) (uint64, error) {
	i := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[i+1:])
	const after = 22 - 3 // field 22; the first after the command is field 3
	if i < 0 || len(fields) <= after {
		return 0, errors.New("proc stat: too few fields")
	}
	return strconv.ParseUint(string(fields[after]), 10, 64)
}
