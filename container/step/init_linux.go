//go:build amd64 || arm64

package step

//lint:file-ignore U1000 What looks unused is read by the assembly.

import "unsafe"

// initial is the code of the program that is a container's first process where
// --init asks for one, in assembly. Its arguments are any word, "--", and a
// command, which it starts as its child, in a process group of its own that has
// the terminal if there is one; a name without a slash is looked up in PATH. All
// signals that it gets go to that child. It reaps whatever else becomes its
// child, for which it asks where it is not process 1, and when the command ends,
// it ends with its exit code, or 128 and the signal. A command that is not there
// is 127, another that can't be executed 126.
//
// It calls nothing and is never called in this process, as the keeper is not. It
// has no data: what it writes is on its stack.
func initial()

// initialCode returns where initial begins.
func initialCode() unsafe.Pointer

// initialEnds are the bytes that follow the last instruction.
const initialEnds = "the init's end.."

// The stack of initial: offsets from the lowest byte that it uses.
const (
	initSignals = 0    // a set of all
	initOld     = 8    // the set of those that were blocked
	initNumber  = 16   // a process, or how it has ended
	initText    = 32   // for the terminal
	initPath    = 64   // the file that is tried
	initLimit   = 4160 // the end of that: PATH_MAX bytes
	initStack   = 8192
)

// InitProgram returns the program that starts a command and is init(1) to what
// that leaves behind: a static ELF file of a kilobyte. Its code is this
// package's; no part of Go is in it.
func InitProgram() ([]byte, error) { return programFile(initialCode(), initialEnds, 0) }
