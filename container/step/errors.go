package step

import (
	"errors"
	"fmt"
)

// Error says which step of a plan failed and what the kernel answered.
type Error struct {
	Index, Total int // the step's place in its plan, counted from 1
	Step         Step
	Err          error // for the kernel's refusals a syscall.Errno
}

func (e *Error) Error() string {
	return fmt.Sprintf("step %d of %d: %s: %v", e.Index, e.Total, e.Step.Shell(), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint returns one line on which a user can act when the cause of err is
// known, else "".
func Hint(err error) string {
	var failed *Error
	if !errors.As(err, &failed) {
		return ""
	}
	h, ok := failed.Step.(interface{ hint(error) string })
	if !ok {
		return ""
	}
	return h.hint(failed.Err)
}
