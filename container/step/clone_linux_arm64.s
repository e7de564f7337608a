#include "textflag.h"

// func cloneSharing(args *cloneArgs, size uintptr) (result uintptr)
//
// The return address is in a register, of which the child has its own.
TEXT ·cloneSharing(SB),NOSPLIT,$0-24
	MOVD	args+0(FP), R0
	MOVD	size+8(FP), R1
	MOVD	$435, R8 // clone3
	SVC
	MOVD	R0, result+16(FP)
	RET
