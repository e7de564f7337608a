#include "go_asm.h"
#include "textflag.h"

// func keeperCode() unsafe.Pointer
TEXT ·keeperCode(SB),NOSPLIT,$0-8
	MOVD	$·keeper(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func keeper()
//
// A process of its own begins here: see keeper_linux.go. System calls leave all
// registers but R0 alone.
//
//	R20  the keeperHead
//	R21  the phase
//	R22  the keptCall at which it is
//	R23  the end of the phase's calls
//	R24  the result that a call has held
#define SYS_read 63
#define SYS_ppoll 73
#define SYS_exit_group 94
#define SYS_waitid 95
#define SYS_sendto 206
#define SYS_clone3 435

TEXT ·keeper(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	$const_keeperData, R20
	MOVD	$const_inKeeper, R21

phase:
	ADD	R21<<4, R20, R9
	MOVD	(keeperHead_phase+0)(R9), R22
	MOVD	(keeperHead_phase+8)(R9), R23

walk:
	CMP	R23, R22
	BHS	walked
	MOVD	(keptCall_args+0)(R22), R0
	MOVD	keptCall_onHeld(R22), R9
	CBZ	R9, arguments
	MOVD	R24, R0

arguments:
	MOVD	(keptCall_args+8)(R22), R1
	MOVD	(keptCall_args+16)(R22), R2
	MOVD	(keptCall_args+24)(R22), R3
	MOVD	(keptCall_args+32)(R22), R4
	MOVD	(keptCall_args+40)(R22), R5
	MOVD	keptCall_nr(R22), R8
	SVC
	CMN	$4095, R0
	BHS	negative
	MOVD	keptCall_hold(R22), R9
	CBZ	R9, answer
	MOVD	R0, R24

answer:
	MOVD	keptCall_answer(R22), R9
	CBZ	R9, next
	MOVW	(R9), R0
	CBZ	R0, next

negative:
	NEG	R0, R0
	MOVD	(keptCall_tolerated+0)(R22), R9
	CMP	R9, R0
	BEQ	tolerated
	MOVD	(keptCall_tolerated+8)(R22), R9
	CMP	R9, R0
	BEQ	tolerated
	MOVD	(keptCall_tolerated+16)(R22), R9
	CMP	R9, R0
	BEQ	tolerated
	CMP	$const_afterClone, R21
	BEQ	next
	MOVD	keptCall_step(R22), R1
	B	fail

tolerated:
	MOVD	keptCall_passOver(R22), R9
	MOVD	$keptCall__size, R10
	MADD	R10, R22, R9, R22

next:
	ADD	$keptCall__size, R22
	B	walk

walked:
	CMP	$const_inKeeper, R21
	BEQ	clone
	CMP	$const_afterClone, R21
	BEQ	started
	CMP	$const_inHeir, R21
	BEQ	exit

	// The plan's last calls executed nothing: no file of the list is there.
	MOVD	$2, R0 // ENOENT
	MOVD	(keptCall_step-keptCall__size)(R22), R1
	B	fail

clone:
	ADD	$keeperHead_clone, R20, R0
	MOVD	$cloneArgs__size, R1
	MOVD	$SYS_clone3, R8
	SVC
	CBZ	R0, child
	TBNZ	$63, R0, noClone
	MOVD	R0, keeperHead_pid(R20)
	MOVD	$const_afterClone, R21
	B	phase

child:
	MOVD	$const_inChild, R21
	B	phase

noClone:
	NEG	R0, R0
	MOVD	$const_cloning, R1

	// R0 is the errno, R1 the step.
fail:
	MOVW	R1, (keeperHead_message+message_a)(R20)
	MOVW	R0, (keeperHead_message+message_b)(R20)
	MOVD	$const_saysFailed, R9
	MOVW	R9, (keeperHead_message+message_what)(R20)
	MOVD	$const_inHeir, R21 // nothing is left to do
	B	send

started:
	MOVD	keeperHead_pidFD(R20), R9
	MOVW	R9, (keeperHead_polled+0)(R20)
	MOVD	keeperHead_pid(R20), R9
	MOVW	R9, (keeperHead_message+message_a)(R20)
	MOVD	$const_saysStarted, R9
	MOVW	R9, (keeperHead_message+message_what)(R20)

send:
	MOVD	keeperHead_link(R20), R0
	ADD	$keeperHead_message, R20, R1
	MOVD	$message__size, R2
	MOVD	$0x4000, R3 // MSG_NOSIGNAL
	MOVD	$0, R4
	MOVD	$0, R5
	MOVD	$SYS_sendto, R8
	SVC
	CMP	$const_inHeir, R21
	BEQ	exit

wait:
	ADD	$keeperHead_polled, R20, R0
	MOVD	$2, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$SYS_ppoll, R8
	SVC
	CMP	$0, R0
	BLE	wait
	MOVHU	(keeperHead_polled+8+6)(R20), R9 // revents of the link
	CBNZ	R9, link

	// The child has ended. It stays a zombie until this process ends, so that
	// its pid means nobody else.
	MOVD	$1, R0 // P_PID
	MOVD	keeperHead_pid(R20), R1
	ADD	$keeperHead_siginfo, R20, R2
	MOVD	$0x1000004, R3 // WNOWAIT|WEXITED
	MOVD	$0, R4
	MOVD	$SYS_waitid, R8
	SVC
	MOVD	$-1, R9
	MOVW	R9, (keeperHead_polled+0)(R20)
	MOVD	$const_saysExited, R9
	MOVW	R9, (keeperHead_message+message_what)(R20)
	MOVW	(keeperHead_siginfo+8)(R20), R9 // si_code
	MOVW	R9, (keeperHead_message+message_a)(R20)
	MOVW	(keeperHead_siginfo+24)(R20), R9 // si_status
	MOVW	R9, (keeperHead_message+message_b)(R20)
	B	send

link:
	MOVD	keeperHead_link(R20), R0
	ADD	$keeperHead_released, R20, R1
	MOVD	$4, R2
	MOVD	$SYS_read, R8
	SVC
	CMP	$0, R0
	BGT	released
	MOVD	$const_inHeir, R21
	B	phase

released:
	MOVD	$1, R0 // P_PID
	MOVD	keeperHead_pid(R20), R1
	MOVD	$0, R2
	MOVD	$5, R3 // WEXITED|WNOHANG
	MOVD	$0, R4
	MOVD	$SYS_waitid, R8
	SVC

exit:
	MOVD	$253, R0
	MOVD	$SYS_exit_group, R8
	SVC
	B	exit

	// keeperEnds
	WORD	$0x20656874 // "the "
	WORD	$0x7065656b // "keep"
	WORD	$0x73277265 // "er's"
	WORD	$0x646e6520 // " end"
