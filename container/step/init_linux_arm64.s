#include "go_asm.h"
#include "textflag.h"

// func initialCode() unsafe.Pointer
TEXT ·initialCode(SB),NOSPLIT,$0-8
	MOVD	$·initial(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func initial()
//
// A process of its own begins here: see init_linux.go. System calls leave all
// registers but R0 alone.
//
//	R20  the arguments of the command
//	R21  the command's process
//	R22  the environment
//	R23  the stack
//	R24  what the search in PATH ends with
//	R25  where in PATH it is
#define SYS_ioctl 29
#define SYS_write 64
#define SYS_exit_group 94
#define SYS_kill 129
#define SYS_rt_sigprocmask 135
#define SYS_rt_sigtimedwait 137
#define SYS_setpgid 154
#define SYS_prctl 167
#define SYS_getpid 172
#define SYS_clone 220
#define SYS_execve 221
#define SYS_wait4 260

TEXT ·initial(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	RSP, R20
	MOVD	(R20), R9 // argc
	ADD	R9<<3, R20, R22
	ADD	$16, R22
	SUB	$const_initStack, R20, R23
	ADD	$24, R20
	MOVD	$127, R0
	CMP	$3, R9
	BLT	exit

	// Signals wait from here on, also those that process 1 would not get.
	MOVD	$-1, R9
	MOVD	R9, const_initSignals(R23)
	MOVD	$2, R0 // SIG_SETMASK
	ADD	$const_initSignals, R23, R1
	ADD	$const_initOld, R23, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigprocmask, R8
	SVC
	MOVD	$36, R0 // PR_SET_CHILD_SUBREAPER
	MOVD	$1, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$SYS_prctl, R8
	SVC
	MOVD	$17, R0 // SIGCHLD
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$SYS_clone, R8
	SVC
	CBZ	R0, child
	TBNZ	$63, R0, failed
	MOVD	R0, R21

wait:
	ADD	$const_initSignals, R23, R0
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigtimedwait, R8
	SVC
	CMP	$0, R0
	BLE	wait
	CMP	$17, R0 // SIGCHLD
	BEQ	reap
	MOVD	R0, R1
	MOVD	R21, R0
	MOVD	$SYS_kill, R8
	SVC
	B	wait

reap:
	MOVD	$-1, R0
	ADD	$const_initNumber, R23, R1
	MOVD	$1, R2 // WNOHANG
	MOVD	$0, R3
	MOVD	$SYS_wait4, R8
	SVC
	CMP	$0, R0
	BLE	wait
	CMP	R21, R0
	BNE	reap
	MOVWU	const_initNumber(R23), R9
	LSR	$8, R9, R0
	AND	$0x7f, R9, R9
	CBZ	R9, exit
	ADD	$128, R9, R0

exit:
	MOVD	$SYS_exit_group, R8
	SVC
	B	exit

child:
	MOVD	$0, R0
	MOVD	$0, R1
	MOVD	$SYS_setpgid, R8
	SVC
	MOVD	$SYS_getpid, R8
	SVC
	MOVW	R0, const_initNumber(R23)
	MOVD	$0, R0
	MOVD	$0x5410, R1 // TIOCSPGRP
	ADD	$const_initNumber, R23, R2
	MOVD	$SYS_ioctl, R8
	SVC
	MOVD	$2, R0 // SIG_SETMASK
	ADD	$const_initOld, R23, R1
	MOVD	$0, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigprocmask, R8
	SVC

	MOVD	(R20), R9

slash:
	MOVBU	(R9), R10
	ADD	$1, R9
	CMP	$47, R10
	BEQ	plain
	CBNZ	R10, slash

	MOVD	$-2, R24 // ENOENT
	MOVD	R22, R9

variable:
	MOVD	(R9), R25
	CBZ	R25, searched
	ADD	$8, R9
	MOVBU	0(R25), R10
	CMP	$80, R10 // P
	BNE	variable
	MOVBU	1(R25), R10
	CMP	$65, R10 // A
	BNE	variable
	MOVBU	2(R25), R10
	CMP	$84, R10 // T
	BNE	variable
	MOVBU	3(R25), R10
	CMP	$72, R10 // H
	BNE	variable
	MOVBU	4(R25), R10
	CMP	$61, R10 // =
	BNE	variable
	ADD	$5, R25

	// R11 is where the file's name is written, R13 the separator that was read.
directory:
	ADD	$const_initPath, R23, R14
	MOVD	R14, R11
	ADD	$(const_initLimit-const_initPath), R14, R12

letter:
	MOVBU	(R25), R13
	CBZ	R13, separator
	ADD	$1, R25
	CMP	$58, R13 // :
	BEQ	separator
	CMP	R12, R11
	BHS	letter
	MOVB	R13, (R11)
	ADD	$1, R11
	B	letter

separator:
	CMP	R14, R11
	BNE	named
	MOVD	$46, R10 // .
	MOVB	R10, (R11)
	ADD	$1, R11

named:
	MOVD	(R20), R9
	MOVD	$47, R10 // /

name:
	CMP	R12, R11
	BHS	another
	MOVB	R10, (R11)
	ADD	$1, R11
	CBZ	R10, try
	MOVBU	(R9), R10
	ADD	$1, R9
	B	name

try:
	MOVD	R14, R0
	MOVD	R20, R1
	MOVD	R22, R2
	MOVD	$SYS_execve, R8
	SVC
	CMN	$2, R0 // ENOENT
	BEQ	another
	CMN	$20, R0 // ENOTDIR
	BEQ	another
	MOVD	R0, R24
	CMN	$13, R0 // EACCES
	BNE	searched

another:
	CBNZ	R13, directory

searched:
	MOVD	R24, R0
	B	failed

plain:
	MOVD	(R20), R0
	MOVD	R20, R1
	MOVD	R22, R2
	MOVD	$SYS_execve, R8
	SVC

	// R0 is the negative errno.
failed:
	MOVD	R0, R24
	MOVZ	$0x6f67, R9 // "gocker: "
	MOVK	$(0x6b63<<16), R9
	MOVK	$(0x7265<<32), R9
	MOVK	$(0x203a<<48), R9
	MOVD	R9, (const_initText+0)(R23)
	MOVZ	$0x7865, R9 // "exec of "
	MOVK	$(0x6365<<16), R9
	MOVK	$(0x6f20<<32), R9
	MOVK	$(0x2066<<48), R9
	MOVD	R9, (const_initText+8)(R23)
	MOVD	$2, R0
	ADD	$const_initText, R23, R1
	MOVD	$16, R2
	MOVD	$SYS_write, R8
	SVC
	MOVD	(R20), R1
	MOVD	$0, R2

length:
	MOVBU	(R1)(R2), R9
	CBZ	R9, measured
	ADD	$1, R2
	B	length

measured:
	MOVD	$2, R0
	MOVD	$SYS_write, R8
	SVC
	MOVZ	$0x6620, R9 // " failed\n"
	MOVK	$(0x6961<<16), R9
	MOVK	$(0x656c<<32), R9
	MOVK	$(0x0a64<<48), R9
	MOVD	R9, const_initText(R23)
	MOVD	$2, R0
	ADD	$const_initText, R23, R1
	MOVD	$8, R2
	MOVD	$SYS_write, R8
	SVC
	MOVD	$127, R0
	CMN	$2, R24 // ENOENT
	BEQ	exit
	MOVD	$126, R0
	B	exit

	// initialEnds
	WORD	$0x20656874 // "the "
	WORD	$0x74696e69 // "init"
	WORD	$0x65207327 // "'s e"
	WORD	$0x2e2e646e // "nd.."
