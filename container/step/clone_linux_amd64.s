#include "textflag.h"

// func cloneSharing(args *cloneArgs, size uintptr) (result uintptr)
//
// The child returns first and calls other functions from here on, which write
// over the return address on the stack. So that is kept in a register, of which
// each of the two has its own.
TEXT ·cloneSharing(SB),NOSPLIT|NOFRAME,$0-24
	MOVQ	args+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVL	$435, AX // clone3
	POPQ	R12
	SYSCALL
	PUSHQ	R12
	MOVQ	AX, result+16(FP)
	RET
