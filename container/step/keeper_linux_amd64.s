#include "go_asm.h"
#include "textflag.h"

// func keeperCode() unsafe.Pointer
TEXT ·keeperCode(SB),NOSPLIT,$0-8
	LEAQ	·keeper(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func keeper()
//
// A process of its own begins here: see keeper_linux.go. System calls leave all
// registers but AX, CX and R11 alone.
//
//	R12  the keeperHead
//	R15  the phase
//	BX   the keptCall at which it is
//	R13  the end of the phase's calls
//	R14  the result that a call has held
#define SYS_sendto 44
#define SYS_read 0
#define SYS_exit_group 231
#define SYS_waitid 247
#define SYS_ppoll 271
#define SYS_clone3 435

TEXT ·keeper(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	$const_keeperData, R12
	MOVQ	$const_inKeeper, R15

phase:
	MOVQ	R15, AX
	SHLQ	$4, AX
	MOVQ	(keeperHead_phase+0)(R12)(AX*1), BX
	MOVQ	(keeperHead_phase+8)(R12)(AX*1), R13

walk:
	CMPQ	BX, R13
	JCC	walked
	MOVQ	(keptCall_args+0)(BX), DI
	CMPQ	keptCall_onHeld(BX), $0
	JEQ	arguments
	MOVQ	R14, DI

arguments:
	MOVQ	(keptCall_args+8)(BX), SI
	MOVQ	(keptCall_args+16)(BX), DX
	MOVQ	(keptCall_args+24)(BX), R10
	MOVQ	(keptCall_args+32)(BX), R8
	MOVQ	(keptCall_args+40)(BX), R9
	MOVQ	keptCall_nr(BX), AX
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	negative
	CMPQ	keptCall_hold(BX), $0
	JEQ	answer
	MOVQ	AX, R14

answer:
	MOVQ	keptCall_answer(BX), CX
	TESTQ	CX, CX
	JEQ	next
	MOVLQSX	(CX), AX
	TESTQ	AX, AX
	JEQ	next

negative:
	NEGQ	AX
	CMPQ	AX, (keptCall_tolerated+0)(BX)
	JEQ	tolerated
	CMPQ	AX, (keptCall_tolerated+8)(BX)
	JEQ	tolerated
	CMPQ	AX, (keptCall_tolerated+16)(BX)
	JEQ	tolerated
	CMPQ	R15, $const_afterClone
	JEQ	next
	MOVQ	keptCall_step(BX), CX
	JMP	fail

tolerated:
	MOVQ	keptCall_passOver(BX), CX
	IMULQ	$keptCall__size, CX
	ADDQ	CX, BX

next:
	ADDQ	$keptCall__size, BX
	JMP	walk

walked:
	CMPQ	R15, $const_inKeeper
	JEQ	clone
	CMPQ	R15, $const_afterClone
	JEQ	started
	CMPQ	R15, $const_inHeir
	JEQ	exit

	// The plan's last calls executed nothing: no file of the list is there.
	MOVQ	$2, AX // ENOENT
	MOVQ	(keptCall_step-keptCall__size)(BX), CX
	JMP	fail

clone:
	LEAQ	keeperHead_clone(R12), DI
	MOVQ	$cloneArgs__size, SI
	MOVQ	$SYS_clone3, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	JLT	noClone
	MOVQ	AX, keeperHead_pid(R12)
	MOVQ	$const_afterClone, R15
	JMP	phase

child:
	MOVQ	$const_inChild, R15
	JMP	phase

noClone:
	NEGQ	AX
	MOVQ	$const_cloning, CX

	// AX is the errno, CX the step.
fail:
	MOVL	$const_saysFailed, (keeperHead_message+message_what)(R12)
	MOVL	CX, (keeperHead_message+message_a)(R12)
	MOVL	AX, (keeperHead_message+message_b)(R12)
	MOVQ	$const_inHeir, R15 // nothing is left to do
	JMP	send

started:
	MOVL	keeperHead_pidFD(R12), AX
	MOVL	AX, (keeperHead_polled+0)(R12)
	MOVL	$const_saysStarted, (keeperHead_message+message_what)(R12)
	MOVL	keeperHead_pid(R12), AX
	MOVL	AX, (keeperHead_message+message_a)(R12)

send:
	MOVQ	keeperHead_link(R12), DI
	LEAQ	keeperHead_message(R12), SI
	MOVQ	$message__size, DX
	MOVQ	$0x4000, R10 // MSG_NOSIGNAL
	XORL	R8, R8
	XORL	R9, R9
	MOVQ	$SYS_sendto, AX
	SYSCALL
	CMPQ	R15, $const_inHeir
	JEQ	exit

wait:
	LEAQ	keeperHead_polled(R12), DI
	MOVQ	$2, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVQ	$SYS_ppoll, AX
	SYSCALL
	TESTQ	AX, AX
	JLE	wait
	MOVWLZX	(keeperHead_polled+8+6)(R12), AX // revents of the link
	TESTL	AX, AX
	JNE	link

	// The child has ended. It stays a zombie until this process ends, so that
	// its pid means nobody else.
	MOVQ	$1, DI // P_PID
	MOVQ	keeperHead_pid(R12), SI
	LEAQ	keeperHead_siginfo(R12), DX
	MOVQ	$0x1000004, R10 // WNOWAIT|WEXITED
	XORL	R8, R8
	MOVQ	$SYS_waitid, AX
	SYSCALL
	MOVL	$-1, (keeperHead_polled+0)(R12)
	MOVL	$const_saysExited, (keeperHead_message+message_what)(R12)
	MOVL	(keeperHead_siginfo+8)(R12), AX // si_code
	MOVL	AX, (keeperHead_message+message_a)(R12)
	MOVL	(keeperHead_siginfo+24)(R12), AX // si_status
	MOVL	AX, (keeperHead_message+message_b)(R12)
	JMP	send

link:
	MOVQ	keeperHead_link(R12), DI
	LEAQ	keeperHead_released(R12), SI
	MOVQ	$4, DX
	MOVQ	$SYS_read, AX
	SYSCALL
	TESTQ	AX, AX
	JGT	released
	MOVQ	$const_inHeir, R15
	JMP	phase

released:
	MOVQ	$1, DI // P_PID
	MOVQ	keeperHead_pid(R12), SI
	XORL	DX, DX
	MOVQ	$5, R10 // WEXITED|WNOHANG
	XORL	R8, R8
	MOVQ	$SYS_waitid, AX
	SYSCALL

exit:
	MOVQ	$253, DI
	MOVQ	$SYS_exit_group, AX
	SYSCALL
	JMP	exit

	// keeperEnds
	BYTE	$'t'; BYTE $'h'; BYTE $'e'; BYTE $' '
	BYTE	$'k'; BYTE $'e'; BYTE $'e'; BYTE $'p'
	BYTE	$'e'; BYTE $'r'; BYTE $'\''; BYTE $'s'
	BYTE	$' '; BYTE $'e'; BYTE $'n'; BYTE $'d'
