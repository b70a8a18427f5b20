#include "textflag.h"

// func lines(places *uintptr, n int)
TEXT ·lines(SB), NOSPLIT, $0-16
	MOVQ places+0(FP), SI
	MOVQ n+8(FP), CX
	TESTQ CX, CX
	JEQ done
next:
	MOVQ (SI), AX
	PREFETCHT0 (AX)
	ADDQ $8, SI
	DECQ CX
	JNE next
done:
	RET
