package main

import "fmt"

// unroll is the number of steps in one turn of the tile kernel's loop.
const unroll = 4

// tile emits the tile kernel for one number of rows. Accumulator registers are [row][vector of the row]; after them come
// two rows of b, used by turns, and with AVX2 two registers for broadcast elements of a (AVX-512 broadcasts on the fly).
func tile(f *file, v vectors, rows int) {
	f.begin(fmt.Sprintf("tile%sx%d", v.name, rows), "tileCall")
	load, run, next, store := f.label("load"), f.label("run"), f.label("next"), f.label("store")
	image, start := f.label("image"), f.label("start")
	f.op("MOVQ tileCall_dst(DI), DX")
	f.op("MOVQ tileCall_stride(DI), R8")
	f.op("SHLQ $2, R8")
	f.op("MOVQ tileCall_a(DI), AX")
	f.op("MOVQ tileCall_b(DI), BX")
	f.op("MOVQ tileCall_runs(DI), SI")
	f.op("MOVQ tileCall_count(DI), CX")
	f.op("MOVQ tileCall_start(DI), R9")
	f.op("CMPQ R9, $const_fromImage")
	f.op("JEQ %s", image)
	f.op("JGT %s", load)
	for r := 0; r < rows*v.perRow(); r++ {
		f.op("VXORPS %s, %s, %s", low(r), low(r), low(r))
	}
	f.op("JMP %s", start)
	f.place(image)
	f.op("MOVQ tileCall_image(DI), R9")
	for r := 0; r < rows; r++ {
		for i := 0; i < v.perRow(); i++ {
			f.op("VBROADCASTSS %d(R9), %s", 4*r, v.reg(r*v.perRow()+i))
		}
	}
	f.op("JMP %s", start)
	f.place(load)
	rowsOfDst(f, v, rows, func(memory, register string) { f.op("VMOVUPS %s, %s", memory, register) })

	f.place(start)
	f.op("TESTQ CX, CX")
	f.op("JEQ %s", store)
	f.place(run)
	f.op("MOVQ run_a(SI), R11")
	f.op("IMUL3Q $%d, R11, R11", 4*rows)
	f.op("ADDQ AX, R11") // a[run.a]
	f.op("MOVQ run_b(SI), R12")
	f.op("SHLQ $6, R12")
	f.op("ADDQ BX, R12") // b[run.b]
	f.op("MOVQ run_n(SI), R13")
	steps(f, v, rows, next)
	f.place(next)
	f.op("ADDQ $run__size, SI")
	f.op("DECQ CX")
	f.op("JNE %s", run)
	f.place(store)
	f.op("MOVQ tileCall_dst(DI), DX")
	rowsOfDst(f, v, rows, func(memory, register string) { f.op("VMOVUPS %s, %s", register, memory) })
	f.end()
}

// low names the 256-bit part of an accumulator, or all of it if it has no more: zeroing it zeroes the register.
func low(i int) string { return fmt.Sprint("Y", i) }

// rowsOfDst visits the accumulators and their places, moving DX along.
func rowsOfDst(f *file, v vectors, rows int, visit func(memory, register string)) {
	for r := 0; r < rows; r++ {
		for i := 0; i < v.perRow(); i++ {
			visit(fmt.Sprintf("%d(DX)", 4*i*v.width), v.reg(r*v.perRow()+i))
		}
		if r+1 < rows {
			f.op("ADDQ R8, DX")
		}
	}
}

// steps emits the loop over the R13 steps of a run, unrolled, and the loop over what remains.
func steps(f *file, v vectors, rows int, done string) {
	turn, rest, one := f.label("turn"), f.label("rest"), f.label("one")
	f.op("SUBQ $%d, R13", unroll)
	f.op("JLT %s", rest)
	f.place(turn)
	for s := 0; s < unroll; s++ {
		step(f, v, rows, s)
	}
	f.op("ADDQ $%d, R11", unroll*rows*4)
	f.op("ADDQ $%d, R12", unroll*lanes*4)
	f.op("SUBQ $%d, R13", unroll)
	f.op("JGE %s", turn)
	f.place(rest)
	f.op("ADDQ $%d, R13", unroll)
	f.op("JEQ %s", done)
	f.place(one)
	step(f, v, rows, 0)
	f.op("ADDQ $%d, R11", rows*4)
	f.op("ADDQ $%d, R12", lanes*4)
	f.op("DECQ R13")
	f.op("JNE %s", one)
}

// step emits acc[row] += a[row] b for step s after R11 and R12.
func step(f *file, v vectors, rows, s int) {
	free := rows * v.perRow()
	if v == avx512 {
		b := v.reg(free + s%2)
		f.op("VMOVUPS %d(R12), %s", s*lanes*4, b)
		for r := 0; r < rows; r++ {
			f.op("VFMADD231PS.BCST %d(R11), %s, %s", (s*rows+r)*4, b, v.reg(r))
		}
		return
	}
	f.op("VMOVUPS %d(R12), Y12", s*lanes*4)
	f.op("VMOVUPS %d(R12), Y13", s*lanes*4+32)
	for r := 0; r < rows; r++ {
		a := v.reg(14 + r%2)
		f.op("VBROADCASTSS %d(R11), %s", (s*rows+r)*4, a)
		f.op("VFMADD231PS Y12, %s, %s", a, v.reg(2*r))
		f.op("VFMADD231PS Y13, %s, %s", a, v.reg(2*r+1))
	}
}
