#include "textflag.h"

// func lines(places *uintptr, n int)
TEXT ·lines(SB), NOSPLIT, $0-16
	MOVD places+0(FP), R0
	MOVD n+8(FP), R1
	CBZ R1, done
next:
	MOVD.P 8(R0), R2
	PRFM (R2), PLDL1KEEP
	SUB $1, R1
	CBNZ R1, next
done:
	RET
