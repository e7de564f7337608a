//go:build amd64 || arm64

package step

//lint:file-ignore U1000 What looks unused is read and written by the kernel or the assembly.

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An inside plan is compiled to a program of its own: an ELF file of a few
// hundred bytes of code, the keeper, and the plan as data. It is executed from
// memory, outside the container, and is two processes then:
//
//	keeper                            process of the plan
//	  │ phase 0: before the clone
//	  ├─ clone3 ─────────────────────────┐
//	  │ waits, as after vfork(2)         │ phase 1: the plan
//	  │                                  │   a step fails → "failed", exit
//	  ├──────────────────────────────────┤ exec: it is the command now
//	  │ phase 2: let go of what was the command's
//	  │ → "started"
//	  │ waits for the command's end      │
//	  ├──────────────────────────────────┘ → "exited"
//	  │ waits for the starter
//	  ├─ which releases it: exit
//	  └─ which has gone:    phase 3: exec of the heir
//
// Messages go over a socket to the process that called [Plan.Fork], the
// starter. When that one dies, the keeper becomes the [Heir], as which it still
// is the command's parent: it can wait for it and learns its exit status.
//
// Nothing of gocker itself is in the container at any time, not even until the
// exec: a hostile image that executes or opens /proc/self/exe finds the sealed
// memory with this program. See CVE-2019-5736.

// keeper is the code of the program, in assembly. It calls nothing and its
// addresses are relative, but for that of the data: so it runs wherever it is
// copied to. It is never called in this process.
func keeper()

// keeperCode returns where keeper begins.
func keeperCode() unsafe.Pointer

// keeperEnds are the bytes that follow the last instruction.
const keeperEnds = "the keeper's end"

const (
	keeperText  = 0x400000 // where the first page of the file is mapped
	keeperData  = 0x800000 // where the rest is
	keeperAlign = 0x10000  // the largest page of any of these machines

	// The phases.
	inKeeper, inChild, afterClone, inHeir, phases = 0, 1, 2, 3, 4

	// What a message says.
	saysFailed, saysStarted, saysExited = 1, 2, 3
)

// message is what the keeper and its child send.
type message struct {
	what int32
	a, b int32 // step and errno; pid; si_code and si_status of waitid(2)
}

// keeperHead begins the data. The offsets of its fields, and of those of
// keptCall, are known to the assembler by go_asm.h.
type keeperHead struct {
	phase    [phases]struct{ begin, end uint64 } // addresses of keptCalls
	clone    cloneArgs
	link     uint64 // the socket
	pid      uint64
	pidFD    uint64
	polled   [2]unix.PollFd // the child, the link
	message  message
	released uint32 // read from the link
	siginfo  [128]byte
}

// keptCall is a call in the form in which the keeper reads it.
type keptCall struct {
	nr           uint64
	args         [6]uint64
	tolerated    [3]uint64
	hold, onHeld uint64
	passOver     uint64
	answer       uint64
	step         uint64
}

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	flags, pidFD, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// keptProgram collects the four phases and writes them as a file.
type keptProgram struct {
	program
	head  keeperHead
	calls [phases][]call
}

func newKeptProgram() *keptProgram {
	k := new(keptProgram)
	k.base = keeperData + uintptr(unsafe.Sizeof(k.head))
	return k
}

// in compiles steps, or whatever f adds, as one of the phases.
func (k *keptProgram) in(phase int, f func(p *program) error) error {
	k.program.calls = nil
	if err := f(&k.program); err != nil {
		return err
	}
	k.calls[phase] = k.program.calls
	return k.err
}

// file returns the program as an open file without a name, which nobody can
// change any more.
func (k *keptProgram) file() (*os.File, error) {
	var table []keptCall
	at := k.base + uintptr(len(k.data))
	at += -at & 7
	for i, calls := range k.calls {
		k.head.phase[i].begin = uint64(at) + uint64(len(table))*uint64(unsafe.Sizeof(keptCall{}))
		k.head.phase[i].end = k.head.phase[i].begin + uint64(len(calls))*uint64(unsafe.Sizeof(keptCall{}))
		for _, c := range calls {
			kept := keptCall{nr: uint64(c.nr), passOver: uint64(c.passOver), answer: uint64(c.answerAt), step: uint64(c.step)}
			for j, arg := range c.args {
				kept.args[j] = uint64(arg)
			}
			for j, errno := range c.tolerated {
				kept.tolerated[j] = uint64(errno)
			}
			if c.hold {
				kept.hold = 1
			}
			if c.onHeld {
				kept.onHeld = 1
			}
			table = append(table, kept)
		}
	}
	data := make([]byte, 0, int(at)-keeperData+len(table)*int(unsafe.Sizeof(keptCall{})))
	data = append(data, asBytes(&k.head)...)
	data = append(data, k.data...)
	data = data[:int(at)-keeperData]
	for i := range table {
		data = append(data, asBytes(&table[i])...)
	}
	text, err := programFile(keeperCode(), keeperEnds, len(data))
	if err != nil {
		return nil, err
	}

	f, err := memoryFile("keeper")
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(text); err == nil {
		_, err = f.WriteAt(data, keeperAlign)
	}
	if err == nil {
		// The keeper's own pages are those of this file.
		const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write the program of the plan: %w", err)
	}
	return f, nil
}

// memoryFile makes a file without a name that can be executed. Where only a
// sysctl says that, since Linux 6.3, it has to be asked for. See memfd_create(2).
func memoryFile(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err == unix.EACCES {
		return nil, fmt.Errorf("memfd_create: %w (sysctl vm.memfd_noexec forbids programs in memory)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// elfHeader and elfSegment are Elf64_Ehdr and Elf64_Phdr of elf(5).
type elfHeader struct {
	ident                                                         [16]byte
	kind, machine                                                 uint16
	version                                                       uint32
	entry, segments, sections                                     uint64
	flags                                                         uint32
	size, segmentSize, segmentCount, sectionSize, sectionCount, _ uint16
}

type elfSegment struct {
	kind, flags                                        uint32
	offset, address, physical, inFile, inMemory, align uint64
}

// programFile returns what is mapped as code: the headers of the file, and code up
// to the bytes with which it ends. Data of a size, unless that is zero, follows at
// keeperAlign.
func programFile(begins unsafe.Pointer, ends string, dataSize int) ([]byte, error) {
	code := unsafe.Slice((*byte)(begins), 1024)
	end := bytes.Index(code, []byte(ends))
	if end < 0 {
		return nil, fmt.Errorf("the code of a program has no end: %q", ends)
	}
	const (
		executable, current           = 2, 1
		load, stack                   = 1, 0x6474e551
		mayExecute, mayWrite, mayRead = 1, 2, 4
	)
	head := struct {
		elfHeader
		text, data, stack elfSegment
	}{}
	all := uint64(unsafe.Sizeof(head)) + uint64(end)
	head.elfHeader = elfHeader{
		ident: [16]byte{0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little endian */, current},
		kind:  executable, machine: elfMachine, version: current,
		entry: keeperText + uint64(unsafe.Sizeof(head)), segments: uint64(unsafe.Sizeof(head.elfHeader)),
		size: uint16(unsafe.Sizeof(head.elfHeader)), segmentSize: uint16(unsafe.Sizeof(head.text)), segmentCount: 3,
	}
	head.text = elfSegment{kind: load, flags: mayRead | mayExecute, address: keeperText, inFile: all, inMemory: all, align: keeperAlign}
	head.data = elfSegment{
		kind: load, flags: mayRead | mayWrite, offset: keeperAlign, address: keeperData,
		inFile: uint64(dataSize), inMemory: uint64(dataSize), align: keeperAlign,
	}
	if dataSize == 0 {
		head.data = elfSegment{} // PT_NULL
	}
	head.stack = elfSegment{kind: stack, flags: mayRead | mayWrite}
	return append(asBytes(&head), code[:end]...), nil
}
