#include "textflag.h"

// Y0..Y11 hold the tile, three registers a row; each step multiplies one row of b (Y12..Y14) by four broadcast
// elements of a.
#define ROW(offset, c0, c1, c2) \
	VBROADCASTSD offset(SI), Y15   \
	VFMADD231PD  Y12, Y15, c0      \
	VFMADD231PD  Y13, Y15, c1      \
	VFMADD231PD  Y14, Y15, c2

// ADD adds alpha times a row of the tile to the row of c at DI, and moves on to the next.
#define ADD(c0, c1, c2) \
	VMOVUPD     (DI), Y12      \
	VMOVUPD     32(DI), Y13    \
	VMOVUPD     64(DI), Y14    \
	VFMADD231PD c0, Y15, Y12   \
	VFMADD231PD c1, Y15, Y13   \
	VFMADD231PD c2, Y15, Y14   \
	VMOVUPD     Y12, (DI)      \
	VMOVUPD     Y13, 32(DI)    \
	VMOVUPD     Y14, 64(DI)    \
	ADDQ        BX, DI

// func multiplyTileAVX2(length, stride int, alpha float64, a, b, c *float64); length > 0
TEXT ·multiplyTileAVX2(SB), NOSPLIT, $0-48
	MOVQ   length+0(FP), CX
	MOVQ   stride+8(FP), BX
	MOVQ   a+24(FP), SI
	MOVQ   b+32(FP), DX
	MOVQ   c+40(FP), DI
	SHLQ   $3, BX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7
	VXORPD Y8, Y8, Y8
	VXORPD Y9, Y9, Y9
	VXORPD Y10, Y10, Y10
	VXORPD Y11, Y11, Y11

step:
	VMOVUPD (DX), Y12
	VMOVUPD 32(DX), Y13
	VMOVUPD 64(DX), Y14
	ROW(0, Y0, Y1, Y2)
	ROW(8, Y3, Y4, Y5)
	ROW(16, Y6, Y7, Y8)
	ROW(24, Y9, Y10, Y11)
	ADDQ    $32, SI
	ADDQ    $96, DX
	DECQ    CX
	JNZ     step

	VBROADCASTSD alpha+16(FP), Y15
	ADD(Y0, Y1, Y2)
	ADD(Y3, Y4, Y5)
	ADD(Y6, Y7, Y8)
	ADD(Y9, Y10, Y11)
	VZEROUPPER
	RET

// SUM adds the four lanes of two accumulators and stores the result.
#define SUM(offset, even, odd, low) \
	VADDPD       odd, even, even       \
	VEXTRACTF128 $1, even, X14         \
	VADDPD       X14, low, X14         \
	VHADDPD      X14, X14, X14         \
	VMOVSD       X14, offset(DI)

// func dot4AVX2(n, stride int, a, x, dots *float64); n is a positive multiple of 8
TEXT ·dot4AVX2(SB), NOSPLIT, $0-40
	MOVQ   n+0(FP), CX
	MOVQ   stride+8(FP), BX
	MOVQ   a+16(FP), R8
	MOVQ   x+24(FP), DX
	MOVQ   dots+32(FP), DI
	SHLQ   $3, BX
	LEAQ   (R8)(BX*1), R9
	LEAQ   (R9)(BX*1), R10
	LEAQ   (R10)(BX*1), R11
	XORQ   AX, AX
	SHLQ   $3, CX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7

step:
	VMOVUPD     (DX)(AX*1), Y12
	VMOVUPD     32(DX)(AX*1), Y13
	VFMADD231PD (R8)(AX*1), Y12, Y0
	VFMADD231PD 32(R8)(AX*1), Y13, Y1
	VFMADD231PD (R9)(AX*1), Y12, Y2
	VFMADD231PD 32(R9)(AX*1), Y13, Y3
	VFMADD231PD (R10)(AX*1), Y12, Y4
	VFMADD231PD 32(R10)(AX*1), Y13, Y5
	VFMADD231PD (R11)(AX*1), Y12, Y6
	VFMADD231PD 32(R11)(AX*1), Y13, Y7
	ADDQ        $64, AX
	CMPQ        AX, CX
	JLT         step

	SUM(0, Y0, Y1, X0)
	SUM(8, Y2, Y3, X2)
	SUM(16, Y4, Y5, X4)
	SUM(24, Y6, Y7, X6)
	VZEROUPPER
	RET
