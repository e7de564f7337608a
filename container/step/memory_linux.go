package step

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"
)

// The functions here turn Go values into addresses for a system call. What
// they return lives as long as the program. Values are copied where the program
// is for another process: nothing in them may point to Go's memory.

// cstring returns the address of s ended by a NUL.
func (p *program) cstring(s string) uintptr {
	if strings.IndexByte(s, 0) >= 0 && p.err == nil {
		p.err = fmt.Errorf("%q: %w: holds a NUL byte", s, syscall.EINVAL)
	}
	b := make([]byte, len(s)+1)
	copy(b, s)
	return p.bytes(b)
}

// optional is cstring, or a null pointer for "".
func (p *program) optional(s string) uintptr {
	if s == "" {
		return 0
	}
	return p.cstring(s)
}

func (p *program) bytes(b []byte) uintptr {
	if len(b) == 0 {
		return 0
	}
	if p.base != 0 {
		return p.place(b)
	}
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// place appends b to the data and returns where it will be, on a multiple of
// eight.
func (p *program) place(b []byte) uintptr {
	for len(p.data)%8 != 0 {
		p.data = append(p.data, 0)
	}
	at := p.base + uintptr(len(p.data))
	p.data = append(p.data, b...)
	return at
}

// cstrings returns the address of a null-terminated array of strings, the form
// of argv and envp.
func (p *program) cstrings(list []string) uintptr {
	array := make([]uintptr, len(list)+1)
	for i, s := range list {
		array[i] = p.cstring(s)
	}
	return array0(p, array)
}

// array0 returns the address of a list's first element, which the program keeps.
func array0[T any](p *program, list []T) uintptr {
	if len(list) == 0 {
		return 0
	}
	return p.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&list[0])), len(list)*int(unsafe.Sizeof(list[0]))))
}

// pointer returns the address of a value that the program keeps.
func pointer[T any](p *program, v *T) uintptr { return p.bytes(asBytes(v)) }

// asBytes is the memory of a value.
func asBytes[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }
