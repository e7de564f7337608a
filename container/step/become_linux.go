package step

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Become does the steps in the calling thread and, when the last one is an
// [Exec], does not return but becomes its program. Unlike [Plan.Do] it undoes
// nothing, and once it has begun it needs neither memory nor another thread, so
// that no limit which the steps set stops it. The error is an [*Error].
func (p Plan) Become() error {
	steps := p.Steps()
	prog := new(program)
	fail := func(i int, err error) error {
		return &Error{Index: i + 1, Total: len(steps), Step: steps[i], Err: err}
	}
	for i, s := range steps {
		prog.step = int32(i)
		cs, ok := s.(compiler)
		if !ok {
			return fail(i, fmt.Errorf("not a step of an inside plan: %w", unix.ENOTSUP))
		}
		if cs.compile(prog); prog.err != nil {
			return fail(i, prog.err)
		}
	}
	runtime.LockOSThread()
	if failed, errno := prog.run(syscall.RawSyscall6); errno != 0 {
		return fail(int(failed.step), errno)
	}
	if _, ok := steps[len(steps)-1].(Exec); ok {
		return fail(len(steps)-1, unix.ENOENT) // no file of its list is there
	}
	return nil
}
