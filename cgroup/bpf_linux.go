package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"gocker/container/step"
)

// DeviceFilter is the step that limits the devices of a group of version 2. It
// has no file for that: a BPF program that is attached to the group is asked
// each time (Linux 4.15). The program goes when the group goes.
//
// Rules are in the syntax of devices.allow of version 1, a later one wins:
// "c 1:3 rwm" allows, "!c 1:3 rwm" denies, "a" allows everything. What no rule
// allows is denied. See bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE.
type DeviceFilter struct {
	Dir   string
	Rules []string
}

// Shell prints a call of gocker itself: sh has no word for bpf(2).
func (s DeviceFilter) Shell() string {
	words := []string{"gocker step device-filter", step.Quote(s.Dir)}
	for _, r := range s.Rules {
		words = append(words, step.Quote(r))
	}
	return strings.Join(words, " ")
}

// Do loads the program and attaches it, beside those that are attached.
func (s DeviceFilter) Do() error {
	f := deviceFilter{}
	for _, text := range s.Rules {
		rule, err := parseRule(text)
		if err != nil {
			return err
		}
		if err := f.add(rule); err != nil {
			return fmt.Errorf("device rule %q: %w", text, err)
		}
	}
	dir, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	program, err := loadDeviceProgram(deviceProgram(f))
	if err != nil {
		return err
	}
	defer unix.Close(program)
	return attachDeviceProgram(dir, program)
}

// Undo is nil: the program goes with the group.
func (s DeviceFilter) Undo() step.Step { return nil }

// instruction is struct bpf_insn on a little-endian machine.
type instruction struct {
	op  uint8
	reg uint8 // destination, source<<4
	off int16
	imm int32
}

// What follows are opcodes and registers of linux/bpf.h and bpf_common.h.
const (
	opLoad32  = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	opMove    = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K
	opMoveReg = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X
	opAnd     = unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_K
	opShift   = unix.BPF_ALU64 | unix.BPF_RSH | unix.BPF_K
	opIfEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opIfOther = unix.BPF_JMP | unix.BPF_JNE | unix.BPF_K
	opExit    = unix.BPF_JMP | unix.BPF_EXIT

	regResult  = 0 // 1 permits, 0 is EPERM
	regContext = 1 // at entry; scratch afterwards
	regAccess  = 2
	regKind    = 3
	regMajor   = 4
	regMinor   = 5
)

// deviceProgram makes the program that answers as f.permits does. Its context
// is struct bpf_cgroup_dev_ctx: access<<16|kind, major, minor, 32 bits each.
func deviceProgram(f deviceFilter) []instruction {
	p := []instruction{
		{op: opLoad32, reg: regAccess | regContext<<4, off: 0},
		{op: opLoad32, reg: regMajor | regContext<<4, off: 4},
		{op: opLoad32, reg: regMinor | regContext<<4, off: 8},
		{op: opMoveReg, reg: regKind | regAccess<<4},
		{op: opAnd, reg: regKind, imm: 0xffff},
		{op: opShift, reg: regAccess, imm: 16},
	}
	verdict := func(permit bool) []instruction {
		result := instruction{op: opMove, reg: regResult}
		if permit {
			result.imm = 1
		}
		return []instruction{result, {op: opExit}}
	}
	for _, e := range f.except {
		p = append(p, e.match(f.allow, verdict(!f.allow))...)
	}
	return append(p, verdict(f.allow)...)
}

// match returns the test of one exception, which falls through to then or jumps
// behind it. With anyBit one kind of access is enough, else all must be d's.
func (d device) match(anyBit bool, then []instruction) []instruction {
	kind := int32(unix.BPF_DEVCG_DEV_CHAR)
	if d.kind == 'b' {
		kind = unix.BPF_DEVCG_DEV_BLOCK
	}
	p := []instruction{{op: opIfOther, reg: regKind, imm: kind}}
	if d.major != anyNumber {
		p = append(p, instruction{op: opIfOther, reg: regMajor, imm: int32(d.major)})
	}
	if d.minor != anyNumber {
		p = append(p, instruction{op: opIfOther, reg: regMinor, imm: int32(d.minor)})
	}
	if d.access != accessAll {
		p = append(p, instruction{op: opMoveReg, reg: regContext | regAccess<<4})
		if anyBit {
			p = append(p, instruction{op: opAnd, reg: regContext, imm: int32(d.access)}, instruction{op: opIfEqual, reg: regContext})
		} else {
			p = append(p, instruction{op: opAnd, reg: regContext, imm: int32(accessAll &^ d.access)}, instruction{op: opIfOther, reg: regContext})
		}
	}
	for i := range p {
		if p[i].op == opIfOther || p[i].op == opIfEqual {
			p[i].off = int16(len(p) - i - 1 + len(then))
		}
	}
	return append(p, then...)
}

// loadDeviceProgram gives the program to the kernel and returns its descriptor.
func loadDeviceProgram(p []instruction) (int, error) {
	if len(p) > math.MaxUint16 {
		return -1, fmt.Errorf("load the device filter: %d instructions are too many", len(p))
	}
	license := []byte("Apache-2.0\x00")
	// The beginning of union bpf_attr for BPF_PROG_LOAD.
	attr := struct {
		kind, count       uint32
		program, license  unsafe.Pointer // gocker is for 64-bit machines
		logLevel, logSize uint32
		log               uint64
		version, flags    uint32
		name              [16]byte
		ifindex, attach   uint32
	}{
		kind:    unix.BPF_PROG_TYPE_CGROUP_DEVICE,
		count:   uint32(len(p)),
		program: unsafe.Pointer(unsafe.SliceData(p)),
		license: unsafe.Pointer(unsafe.SliceData(license)),
		attach:  unix.BPF_CGROUP_DEVICE,
	}
	copy(attr.name[:], "gocker_devices")
	var fd uintptr
	var errno unix.Errno
	// The verifier gives up when a signal comes, as Go's runtime sends them.
	// libbpf tries five times (PROG_LOAD_ATTEMPTS), without such signals.
	for range 100 {
		fd, _, errno = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno != unix.EAGAIN {
			break
		}
	}
	if errno != 0 {
		return -1, fmt.Errorf("load the device filter: %w", explain(errno))
	}
	return int(fd), nil
}

// attachDeviceProgram attaches a program to the group whose directory is open.
// With those of the groups above, all must permit.
func attachDeviceProgram(dir *os.File, program int) error {
	attr := struct{ target, program, kind, flags uint32 }{
		target:  uint32(dir.Fd()),
		program: uint32(program),
		kind:    unix.BPF_CGROUP_DEVICE,
		flags:   unix.BPF_F_ALLOW_MULTI,
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_ATTACH, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(dir)
	if errno != 0 {
		return fmt.Errorf("attach the device filter to %s: %w", dir.Name(), explain(errno))
	}
	return nil
}

// explain adds what the kernel may lack.
func explain(errno unix.Errno) error {
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EINVAL) {
		return fmt.Errorf("%w (requires Linux 4.15 or later with CONFIG_CGROUP_BPF)", errno)
	}
	return errno
}
