package step

import (
	"runtime"
	"slices"
	"syscall"
)

// call is one raw system call of a compiled step.
type call struct {
	nr   uintptr
	args [6]uintptr
	// tolerated are errors that count as success, zero where unused.
	tolerated [3]syscall.Errno
	// hold keeps the result; onHeld puts it in the place of the first
	// argument. They join open, write and close of one step.
	hold, onHeld bool
	// passOver is the number of calls after this one that are left out when
	// its error was tolerated: what they complete was not begun.
	passOver int
	// answer, where set, is what the kernel wrote into the call's buffer: a
	// negative errno, or zero, as in an acknowledgement of netlink(7). answerAt
	// is its address.
	answer   *int32
	answerAt uintptr
	step     int32 // index of the step in its plan
}

// program is a list of steps compiled to system calls, with the memory that
// their arguments point to. That is this process's, or, with a base, data of a
// program that is going to be loaded there.
type program struct {
	calls []call
	keep  []any // arguments are addresses, which the collector does not see
	base  uintptr
	data  []byte
	step  int32
	err   error
}

// compiler is a step that is nothing but system calls. Every verb of this
// package is one, so that all of them can be steps of an inside plan.
type compiler interface {
	Step
	compile(p *program)
}

// add appends a system call and returns it for adjustment.
func (p *program) add(nr uintptr, args ...uintptr) *call {
	c := call{nr: nr, step: p.step}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
	return &p.calls[len(p.calls)-1]
}

func (c *call) tolerate(errs ...syscall.Errno) { copy(c.tolerated[:], errs) }

func (c *call) tolerates(err syscall.Errno) bool { return slices.Contains(c.tolerated[:], err) }

// do makes one step's system calls in the calling thread.
func do(s compiler) error {
	p := new(program)
	s.compile(p)
	if p.err != nil {
		return p.err
	}
	if _, errno := p.run(syscall.Syscall6); errno != 0 {
		return errno
	}
	return nil
}

// run makes the calls in the calling thread, by one of the functions of package
// syscall. It returns the call that failed, and zero when none has. Once it has
// begun it needs no memory.
func (p *program) run(syscall6 func(nr, a, b, c, d, e, f uintptr) (uintptr, uintptr, syscall.Errno)) (*call, syscall.Errno) {
	defer runtime.KeepAlive(p)
	var held uintptr
	for i := 0; i < len(p.calls); i++ {
		c := &p.calls[i]
		first := c.args[0]
		if c.onHeld {
			first = held
		}
		r, _, errno := syscall6(c.nr, first, c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if errno == 0 && c.answer != nil {
			errno = syscall.Errno(-*c.answer)
		}
		if errno != 0 {
			if !c.tolerates(errno) {
				if c.onHeld {
					_, _, _ = syscall6(syscall.SYS_CLOSE, held, 0, 0, 0, 0, 0)
				}
				return c, errno
			}
			i += c.passOver
		}
		if c.hold {
			held = r
		}
	}
	return nil, 0
}
