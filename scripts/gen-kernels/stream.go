package main

import (
	"fmt"
	"math"
)

// streams emits the element-wise kernels, for AVX2. SI runs over the offsets of rows of 16, CX counts the rows.
func streams(f *file) {
	combine(f)
	combineEach(f)
	scaledSquares(f)
	dotLanes(f)
	multiply(f)
	multiplyImage(f)
	addImage(f)
	constants(f)
	for _, a := range activations {
		activation(f, a.name, a.value, 0)
		activation(f, a.name+"Grad", a.slope, 1)
		if a.curvature != nil {
			activation(f, a.name+"Grad2", a.curvature, 2)
		}
	}
}

// beginStream opens a kernel; operands are fields that go to registers.
func beginStream(f *file, name string, operands map[string]string) {
	f.begin(name, "streamCall")
	for _, field := range []string{"dst", "x", "y", "terms", "count"} {
		if register, used := operands[field]; used {
			f.op("MOVQ streamCall_%s(DI), %s", field, register)
		}
	}
	f.op("MOVQ streamCall_offset(DI), SI")
	f.op("SHLQ $2, SI")
	f.op("MOVQ streamCall_rows(DI), CX")
}

// eachRows emits a loop over groups of rows and one over the rest of the rows.
func eachRows(f *file, group int, body func(rows int)) {
	turn, rest, one, done := f.label("turn"), f.label("rest"), f.label("one"), f.label("done")
	f.op("SUBQ $%d, CX", group)
	f.op("JLT %s", rest)
	f.place(turn)
	body(group)
	f.op("ADDQ $%d, SI", group*lanes*4)
	f.op("SUBQ $%d, CX", group)
	f.op("JGE %s", turn)
	f.place(rest)
	f.op("ADDQ $%d, CX", group)
	f.op("JEQ %s", done)
	f.place(one)
	body(1)
	f.op("ADDQ $%d, SI", lanes*4)
	f.op("DECQ CX")
	f.op("JNE %s", one)
	f.place(done)
}

// sumTerms emits Y0, Y1, .. = the sum of coef x over the terms at R8, R9 of them, for some rows at SI.
func sumTerms(f *file, rows int) {
	loop := f.label("term")
	for i := 0; i < 2*rows; i++ {
		f.op("VXORPS Y%d, Y%d, Y%d", i, i, i)
	}
	f.op("MOVQ R8, R10")
	f.op("MOVQ R9, R11")
	f.place(loop)
	f.op("MOVQ term_x(R10), R12")
	f.op("VBROADCASTSS term_coef(R10), Y15")
	for i := 0; i < 2*rows; i++ {
		f.op("VFMADD231PS %d(R12)(SI*1), Y15, Y%d", 32*i, i)
	}
	f.op("ADDQ $term__size, R10")
	f.op("DECQ R11")
	f.op("JNE %s", loop)
}

func combine(f *file) {
	beginStream(f, "combineAVX2", map[string]string{"dst": "DX", "terms": "R8", "count": "R9"})
	eachRows(f, 4, func(rows int) {
		sumTerms(f, rows)
		for i := 0; i < 2*rows; i++ {
			f.op("VMOVUPS Y%d, %d(DX)(SI*1)", i, 32*i)
		}
	})
	f.end()
}

// combineEach masks what it reads: 0 times the NaN of a sample whose coefficient is 0 would be NaN.
func combineEach(f *file) {
	beginStream(f, "combineEachAVX2", map[string]string{"dst": "DX", "x": "BX", "terms": "R8", "count": "R9"})
	f.op("VXORPS Y12, Y12, Y12")
	eachRows(f, 4, func(rows int) {
		loop := f.label("term")
		for i := 0; i < 2*rows; i++ {
			f.op("VXORPS Y%d, Y%d, Y%d", i, i, i)
		}
		f.op("MOVQ BX, AX")
		f.op("MOVQ R8, R10")
		f.op("MOVQ R9, R11")
		f.place(loop)
		f.op("MOVQ term_x(R10), R12")
		for half := 0; half < 2; half++ {
			f.op("VMOVUPS %d(AX), Y15", 32*half)
			f.op("VCMPPS $4, Y12, Y15, Y14") // not equal to 0
			for i := half; i < 2*rows; i += 2 {
				f.op("VANDPS %d(R12)(SI*1), Y14, Y13", 32*i)
				f.op("VFMADD231PS Y13, Y15, Y%d", i)
			}
		}
		f.op("ADDQ $%d, AX", 4*lanes)
		f.op("ADDQ $term__size, R10")
		f.op("DECQ R11")
		f.op("JNE %s", loop)
		for i := 0; i < 2*rows; i++ {
			f.op("VMOVUPS Y%d, %d(DX)(SI*1)", i, 32*i)
		}
	})
	f.end()
}

func scaledSquares(f *file) {
	beginStream(f, "scaledSquaresAVX2", map[string]string{"x": "AX", "y": "BX", "terms": "R8", "count": "R9"})
	f.op("VBROADCASTSS streamCall_atol(DI), Y14")
	f.op("VBROADCASTSS streamCall_rtol(DI), Y13")
	f.op("VPCMPEQD Y12, Y12, Y12")
	f.op("VPSRLD $1, Y12, Y12") // all bits but the sign
	f.op("VMOVUPS streamCall_sum(DI), Y10")
	f.op("VMOVUPS streamCall_sum+32(DI), Y11")
	eachRows(f, 2, func(rows int) {
		sumTerms(f, rows)
		for i := 0; i < 2*rows; i++ {
			f.op("VANDPS %d(AX)(SI*1), Y12, Y8", 32*i)
			f.op("VANDPS %d(BX)(SI*1), Y12, Y9", 32*i)
			f.op("VMAXPS Y9, Y8, Y8")
			f.op("VMOVAPS Y14, Y9")
			f.op("VFMADD231PS Y8, Y13, Y9") // atol + rtol max(|y0|, |y1|)
			f.op("VDIVPS Y9, Y%d, Y%d", i, i)
			f.op("VFMADD231PS Y%d, Y%d, Y%d", i, i, 10+i%2)
		}
	})
	f.op("VMOVUPS Y10, streamCall_sum(DI)")
	f.op("VMOVUPS Y11, streamCall_sum+32(DI)")
	f.end()
}

func dotLanes(f *file) {
	beginStream(f, "dotLanesAVX2", map[string]string{"x": "AX", "y": "BX"})
	for i := 0; i < 8; i++ {
		f.op("VXORPS Y%d, Y%d, Y%d", i, i, i)
	}
	eachRows(f, 4, func(rows int) {
		for i := 0; i < 2*rows; i++ {
			f.op("VMOVUPS %d(AX)(SI*1), Y8", 32*i)
			f.op("VFMADD231PS %d(BX)(SI*1), Y8, Y%d", 32*i, i)
		}
	})
	for half := 0; half < 2; half++ {
		f.op("VADDPS Y%d, Y%d, Y%d", half+2, half, half)
		f.op("VADDPS Y%d, Y%d, Y%d", half+6, half+4, half+4)
		f.op("VADDPS Y%d, Y%d, Y%d", half+4, half, half)
		f.op("VADDPS streamCall_sum+%d(DI), Y%d, Y%d", 32*half, half, half)
		f.op("VMOVUPS Y%d, streamCall_sum+%d(DI)", half, 32*half)
	}
	f.end()
}

func multiply(f *file) {
	beginStream(f, "multiplyAVX2", map[string]string{"dst": "DX", "x": "AX", "y": "BX"})
	eachRows(f, 4, func(rows int) {
		for i := 0; i < 2*rows; i++ {
			f.op("VMOVUPS %d(AX)(SI*1), Y%d", 32*i, i)
			f.op("VMULPS %d(BX)(SI*1), Y%d, Y%d", 32*i, i, i)
			f.op("VMOVUPS Y%d, %d(DX)(SI*1)", i, 32*i)
		}
	})
	f.end()
}

func multiplyImage(f *file) {
	beginStream(f, "multiplyImageAVX2", map[string]string{"dst": "DX", "x": "AX", "y": "BX"})
	eachRows(f, 4, func(rows int) {
		for i := 0; i < rows; i++ {
			f.op("VBROADCASTSS %d(BX), Y%d", 4*i, i)
			for half := 0; half < 2; half++ {
				at := 32 * (2*i + half)
				f.op("VMULPS %d(AX)(SI*1), Y%d, Y%d", at, i, 4+half)
				f.op("VMOVUPS Y%d, %d(DX)(SI*1)", 4+half, at)
			}
		}
		f.op("ADDQ $%d, BX", 4*rows)
	})
	f.end()
}

func addImage(f *file) {
	beginStream(f, "addImageAVX2", map[string]string{"dst": "DX", "x": "AX", "y": "BX"})
	f.op("VMOVUPS (AX), Y14")
	f.op("VMOVUPS 32(AX), Y15")
	eachRows(f, 4, func(rows int) {
		for i := 0; i < rows; i++ {
			f.op("VBROADCASTSS %d(BX), Y%d", 4*i, i)
			for half := 0; half < 2; half++ {
				at := 32 * (2*i + half)
				f.op("VMOVUPS %d(DX)(SI*1), Y%d", at, 4+half)
				f.op("VFMADD231PS Y%d, Y%d, Y%d", 14+half, i, 4+half)
				f.op("VMOVUPS Y%d, %d(DX)(SI*1)", 4+half, at)
			}
		}
		f.op("ADDQ $%d, BX", 4*rows)
	})
	f.end()
}

// constant is a number that the activations read as a vector of 8.
type constant struct {
	name string
	bits uint32
}

func number(name string, v float32) constant { return constant{name, math.Float32bits(v)} }

var table = []constant{
	number("one", 1), number("two", 2), number("four", 4), number("eight", 8),
	{"magnitude", 1<<31 - 1}, {"sign", 1 << 31}, {"bias", 127},
	number("lowest", -87), number("log2e", math.Log2E), number("ln2high", 0.693359375), number("ln2low", -2.12194440e-4),
	number("exp7", 1.0/5040), number("exp6", 1.0/720), number("exp5", 1.0/120), number("exp4", 1.0/24), number("exp3", 1.0/6), number("exp2", 0.5),
	number("log13", 1.0/13), number("log11", 1.0/11), number("log9", 1.0/9), number("log7", 1.0/7), number("log5", 1.0/5), number("log3", 1.0/3),
}

// vector is the memory operand of a constant.
func vector(name string) string {
	for i, c := range table {
		if c.name == name {
			return fmt.Sprintf("constants<>+%d(SB)", 32*i)
		}
	}
	panic("gen-kernels: no such constant")
}

func constants(f *file) {
	for i, c := range table {
		for k := 0; k < 4; k++ {
			fmt.Fprintf(&f.assembly, "DATA constants<>+%d(SB)/8, $0x%08x%08x\n", 32*i+8*k, c.bits, c.bits)
		}
	}
	fmt.Fprintf(&f.assembly, "GLOBL constants<>(SB), RODATA|NOPTR, $%d\n\n", 32*len(table))
}

// activations emit sigma(x), sigma'(x) and, where it is not 0, sigma”(x): x in Y8, the result in Y2. Their formulas are
// those of pkg/backend/cpu/activation.go. Y15 holds ones, Y14 the mask of the magnitude, Y13 the least exponent, Y12 zeros.
var activations = []struct {
	name                    string
	value, slope, curvature func(f *file)
}{
	{"relu", relu, reluSlope, nil},
	{"tanh", tanh, tanhSlope, tanhCurvature},
	{"softplus", softplus, sigmoid, sigmoidSlope},
	{"sigmoid", sigmoid, sigmoidSlope, sigmoidCurvature},
	{"silu", silu, siluSlope, siluCurvature},
	{"elu", elu, eluSlope, eluCurvature},
}

// activation emits the kernel of a derivative of so high an order, 0 to 2.
func activation(f *file, name string, body func(f *file), order int) {
	operands := map[string]string{"dst": "DX", "x": "AX"}
	if order > 0 {
		operands["y"] = "BX"
	}
	if order > 1 {
		operands["terms"] = "R8"
	}
	beginStream(f, name+"AVX2", operands)
	if order > 1 {
		f.op("MOVQ term_x(R8), R8")
	}
	f.op("VMOVUPS %s, Y15", vector("one"))
	f.op("VMOVUPS %s, Y14", vector("magnitude"))
	f.op("VMOVUPS %s, Y13", vector("lowest"))
	f.op("VXORPS Y12, Y12, Y12")
	eachRows(f, 2, func(rows int) {
		for i := 0; i < 2*rows; i++ {
			f.op("VMOVUPS %d(AX)(SI*1), Y8", 32*i)
			body(f)
			if order > 0 {
				f.op("VMULPS %d(BX)(SI*1), Y2, Y2", 32*i)
			}
			if order > 1 {
				f.op("VMOVUPS %d(R8)(SI*1), Y3", 32*i)
				f.op("VFMADD213PS %d(DX)(SI*1), Y3, Y2", 32*i)
			}
			f.op("VMOVUPS Y2, %d(DX)(SI*1)", 32*i)
		}
	})
	f.end()
}
