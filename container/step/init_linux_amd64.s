#include "go_asm.h"
#include "textflag.h"

// func initialCode() unsafe.Pointer
TEXT ·initialCode(SB),NOSPLIT,$0-8
	LEAQ	·initial(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func initial()
//
// A process of its own begins here: see init_linux.go. System calls leave all
// registers but AX, CX and R11 alone.
//
//	R12  the arguments of the command
//	R13  the command's process
//	R14  the environment
//	R15  the stack
//	BX   what the search in PATH ends with
//	R9   where in PATH it is
#define SYS_write 1
#define SYS_rt_sigprocmask 14
#define SYS_ioctl 16
#define SYS_getpid 39
#define SYS_clone 56
#define SYS_execve 59
#define SYS_exit_group 231
#define SYS_wait4 61
#define SYS_kill 62
#define SYS_setpgid 109
#define SYS_rt_sigtimedwait 128
#define SYS_prctl 157

TEXT ·initial(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	SP, R12
	MOVQ	(R12), AX // argc
	LEAQ	16(R12)(AX*8), R14
	ADDQ	$24, R12
	MOVQ	SP, R15
	SUBQ	$const_initStack, R15
	MOVQ	$127, DI
	CMPQ	AX, $3
	JLT	exit

	// Signals wait from here on, also those that process 1 would not get.
	MOVQ	$-1, AX
	MOVQ	AX, const_initSignals(R15)
	MOVQ	$2, DI // SIG_SETMASK
	LEAQ	const_initSignals(R15), SI
	LEAQ	const_initOld(R15), DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL
	MOVQ	$36, DI // PR_SET_CHILD_SUBREAPER
	MOVQ	$1, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVQ	$SYS_prctl, AX
	SYSCALL
	MOVQ	$17, DI // SIGCHLD
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVQ	$SYS_clone, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	JLT	failed
	MOVQ	AX, R13

wait:
	LEAQ	const_initSignals(R15), DI
	XORL	SI, SI
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigtimedwait, AX
	SYSCALL
	TESTQ	AX, AX
	JLE	wait
	CMPQ	AX, $17 // SIGCHLD
	JEQ	reap
	MOVQ	R13, DI
	MOVQ	AX, SI
	MOVQ	$SYS_kill, AX
	SYSCALL
	JMP	wait

reap:
	MOVQ	$-1, DI
	LEAQ	const_initNumber(R15), SI
	MOVQ	$1, DX // WNOHANG
	XORL	R10, R10
	MOVQ	$SYS_wait4, AX
	SYSCALL
	TESTQ	AX, AX
	JLE	wait
	CMPQ	AX, R13
	JNE	reap
	MOVL	const_initNumber(R15), DI
	MOVL	DI, AX
	SHRL	$8, DI
	ANDL	$0x7f, AX
	JEQ	exit
	LEAQ	128(AX), DI

exit:
	MOVQ	$SYS_exit_group, AX
	SYSCALL
	JMP	exit

child:
	XORL	DI, DI
	XORL	SI, SI
	MOVQ	$SYS_setpgid, AX
	SYSCALL
	MOVQ	$SYS_getpid, AX
	SYSCALL
	MOVL	AX, const_initNumber(R15)
	XORL	DI, DI
	MOVQ	$0x5410, SI // TIOCSPGRP
	LEAQ	const_initNumber(R15), DX
	MOVQ	$SYS_ioctl, AX
	SYSCALL
	MOVQ	$2, DI // SIG_SETMASK
	LEAQ	const_initOld(R15), SI
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL

	MOVQ	(R12), SI

slash:
	MOVBLZX	(SI), AX
	CMPL	AX, $47
	JEQ	plain
	INCQ	SI
	TESTL	AX, AX
	JNE	slash

	MOVQ	$-2, BX // ENOENT
	MOVQ	R14, SI

variable:
	MOVQ	(SI), R9
	TESTQ	R9, R9
	JEQ	searched
	ADDQ	$8, SI
	CMPL	(R9), $0x48544150 // PATH
	JNE	variable
	CMPB	4(R9), $61 // =
	JNE	variable
	ADDQ	$5, R9

	// DX is where the file's name is written, DI the separator that was read.
directory:
	LEAQ	const_initPath(R15), DX
	LEAQ	const_initLimit(R15), R8

letter:
	MOVBLZX	(R9), DI
	TESTL	DI, DI
	JEQ	separator
	INCQ	R9
	CMPL	DI, $58 // :
	JEQ	separator
	CMPQ	DX, R8
	JCC	letter
	MOVB	DI, (DX)
	INCQ	DX
	JMP	letter

separator:
	LEAQ	const_initPath(R15), AX
	CMPQ	DX, AX
	JNE	named
	MOVB	$46, (DX) // .
	INCQ	DX

named:
	MOVQ	(R12), SI
	MOVL	$47, AX // /

name:
	CMPQ	DX, R8
	JCC	another
	MOVB	AX, (DX)
	INCQ	DX
	TESTL	AX, AX
	JEQ	try
	MOVBLZX	(SI), AX
	INCQ	SI
	JMP	name

try:
	MOVQ	DI, R13
	LEAQ	const_initPath(R15), DI
	MOVQ	R12, SI
	MOVQ	R14, DX
	MOVQ	$SYS_execve, AX
	SYSCALL
	MOVQ	R13, DI
	CMPQ	AX, $-2 // ENOENT
	JEQ	another
	CMPQ	AX, $-20 // ENOTDIR
	JEQ	another
	MOVQ	AX, BX
	CMPQ	AX, $-13 // EACCES
	JNE	searched

another:
	TESTL	DI, DI
	JNE	directory

searched:
	MOVQ	BX, AX
	JMP	failed

plain:
	MOVQ	(R12), DI
	MOVQ	R12, SI
	MOVQ	R14, DX
	MOVQ	$SYS_execve, AX
	SYSCALL

	// AX is the negative errno.
failed:
	MOVQ	AX, BX
	MOVQ	$0x203a72656b636f67, AX // "gocker: "
	MOVQ	AX, (const_initText+0)(R15)
	MOVQ	$0x20666f2063657865, AX // "exec of "
	MOVQ	AX, (const_initText+8)(R15)
	MOVQ	$2, DI
	LEAQ	const_initText(R15), SI
	MOVQ	$16, DX
	MOVQ	$SYS_write, AX
	SYSCALL
	MOVQ	(R12), SI
	XORL	DX, DX

length:
	CMPB	(SI)(DX*1), $0
	JEQ	measured
	INCQ	DX
	JMP	length

measured:
	MOVQ	$SYS_write, AX
	SYSCALL
	MOVQ	$0x0a64656c69616620, AX // " failed\n"
	MOVQ	AX, const_initText(R15)
	LEAQ	const_initText(R15), SI
	MOVQ	$8, DX
	MOVQ	$SYS_write, AX
	SYSCALL
	MOVQ	$127, DI
	CMPQ	BX, $-2 // ENOENT
	JEQ	exit
	MOVQ	$126, DI
	JMP	exit

	// initialEnds
	BYTE	$'t'; BYTE $'h'; BYTE $'e'; BYTE $' '
	BYTE	$'i'; BYTE $'n'; BYTE $'i'; BYTE $'t'
	BYTE	$'\''; BYTE $'s'; BYTE $' '; BYTE $'e'
	BYTE	$'n'; BYTE $'d'; BYTE $'.'; BYTE $'.'
