package main

import "fmt"

// dot emits the dot kernel: dotRows x dotColumns accumulators, summed over their lanes at the end. Registers: a row of b, one
// vector of a, then the accumulators.
func dot(f *file, v vectors) {
	f.begin("dot"+v.name, "dotCall")
	contraction, run, position, next := f.label("contraction"), f.label("run"), f.label("position"), f.label("next")
	a := v.reg(v.dotColumns)
	accumulator := func(i, j int) int { return v.dotColumns + 1 + i*v.dotColumns + j }
	if v == avx512 { // the 32 registers leave room for one more of b's side, which the sums at the end use
		accumulator = func(i, j int) int { return 8 + i*v.dotColumns + j }
	}
	bytesA, bytesB := dotRows*lanes*4, v.dotColumns*lanes*4

	f.op("MOVQ dotCall_a(DI), AX")
	f.op("MOVQ dotCall_b(DI), BX")
	f.op("MOVQ dotCall_stepA(DI), R8")
	f.op("IMUL3Q $%d, R8, R8", bytesA)
	f.op("MOVQ dotCall_stepB(DI), R9")
	f.op("IMUL3Q $%d, R9, R9", bytesB)
	f.op("MOVQ dotCall_spans(DI), R10")
	f.op("MOVQ dotCall_count(DI), R14")
	f.op("MOVQ dotCall_sum(DI), DX")
	f.place(contraction)
	f.op("MOVQ span_lo(R10), SI")
	f.op("MOVQ span_hi(R10), CX")
	f.op("SUBQ SI, CX")
	f.op("JEQ %s", next)
	f.op("IMUL3Q $run__size, SI, SI")
	f.op("ADDQ dotCall_runs(DI), SI")
	for i := 0; i < dotRows; i++ {
		for j := 0; j < v.dotColumns; j++ {
			zero(f, v, accumulator(i, j))
		}
	}
	f.place(run)
	f.op("MOVQ run_a(SI), R11")
	f.op("IMUL3Q $%d, R11, R11", bytesA)
	f.op("ADDQ AX, R11")
	f.op("MOVQ run_b(SI), R12")
	f.op("IMUL3Q $%d, R12, R12", bytesB)
	f.op("ADDQ BX, R12")
	f.op("MOVQ run_n(SI), R13")
	f.place(position)
	for part := 0; part < v.perRow(); part++ {
		for j := 0; j < v.dotColumns; j++ {
			f.op("VMOVUPS %d(R12), %s", (j*lanes+part*v.width)*4, v.reg(j))
		}
		for i := 0; i < dotRows; i++ {
			f.op("VMOVUPS %d(R11), %s", (i*lanes+part*v.width)*4, a)
			for j := 0; j < v.dotColumns; j++ {
				f.op("VFMADD231PS %s, %s, %s", v.reg(j), a, v.reg(accumulator(i, j)))
			}
		}
	}
	f.op("ADDQ R8, R11")
	f.op("ADDQ R9, R12")
	f.op("DECQ R13")
	f.op("JNE %s", position)
	f.op("ADDQ $run__size, SI")
	f.op("DECQ CX")
	f.op("JNE %s", run)

	for i := 0; i < dotRows; i++ {
		for j := 0; j < v.dotColumns; j += 4 {
			var four [4]int // the last column again where there are fewer
			for k := range four {
				four[k] = accumulator(i, min(j+k, v.dotColumns-1))
			}
			addLanes(f, v, four, 4*(i*dotPad+j))
		}
	}
	f.place(next)
	f.op("ADDQ $span__size, R10")
	f.op("ADDQ $%d, DX", dotRows*dotPad*4)
	f.op("DECQ R14")
	f.op("JNE %s", contraction)
	f.end()
}

// zero emits the zeroing of any vector register.
func zero(f *file, v vectors, i int) {
	if v == avx512 {
		f.op("VPXORD Z%d, Z%d, Z%d", i, i, i)
	} else {
		f.op("VXORPS Y%d, Y%d, Y%d", i, i, i)
	}
}

// addLanes emits sum[k] += the lanes of register four[k], for k < 4, at an offset from DX. All registers below the
// accumulators are free.
func addLanes(f *file, v vectors, four [4]int, offset int) {
	var halves [4]string
	for k, r := range four {
		halves[k] = fmt.Sprint("Y", r)
		if v == avx512 { // fold the upper half onto the lower, in a register that VEX instructions reach
			halves[k] = fmt.Sprint("Y", k)
			f.op("VEXTRACTF64X4 $1, Z%d, Y4", r)
			f.op("VADDPS Y%d, Y4, Y%d", r, k)
		}
	}
	f.op("VHADDPS %s, %s, Y0", halves[1], halves[0])
	f.op("VHADDPS %s, %s, Y1", halves[3], halves[2])
	f.op("VHADDPS Y1, Y0, Y0")
	f.op("VEXTRACTF128 $1, Y0, X1")
	f.op("VADDPS X1, X0, X0")
	f.op("VADDPS %d(DX), X0, X0", offset)
	f.op("VMOVUPS X0, %d(DX)", offset)
}
