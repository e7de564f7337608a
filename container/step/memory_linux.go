package step

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"
)

// The functions here turn Go values into addresses for a system call. What
// they return lives as long as the program.

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
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// cstrings returns the address of a null-terminated array of strings, the form
// of argv and envp.
func (p *program) cstrings(list []string) uintptr {
	array := make([]uintptr, len(list)+1)
	for i, s := range list {
		array[i] = p.cstring(s)
	}
	p.keep = append(p.keep, array)
	return uintptr(unsafe.Pointer(&array[0]))
}

// pointer returns the address of a value that the program keeps.
func pointer[T any](p *program, v *T) uintptr {
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(v))
}
