package main

// transpose emits the transposition of 8 vectors of 8 numbers at a time: vectors i and i+4 share a register, in which
// two rounds of unpacking transpose 4 x 4 in each half.
func transpose(f *file) {
	f.begin("transposeAVX2", "transposeCall")
	loop := f.label("loop")
	f.op("MOVQ transposeCall_dst(DI), DX")
	f.op("MOVQ transposeCall_src(DI), SI")
	f.op("MOVQ transposeCall_width(DI), R11")
	f.op("SHLQ $2, R11")
	f.op("MOVQ transposeCall_stride(DI), R8")
	f.op("SHLQ $2, R8")
	f.op("LEAQ (R8)(R8*2), R9")
	f.op("LEAQ (SI)(R8*4), R10")
	f.op("MOVQ transposeCall_groups(DI), CX")
	f.place(loop)
	for half := 0; half < 2; half++ {
		for i, index := range []string{"", "(R8*1)", "(R8*2)", "(R9*1)"} {
			f.op("VMOVUPS %d(SI)%s, X%d", 16*half, index, i)
			f.op("VINSERTF128 $1, %d(R10)%s, Y%d, Y%d", 16*half, index, i, i)
		}
		f.op("VUNPCKLPS Y1, Y0, Y4")
		f.op("VUNPCKHPS Y1, Y0, Y5")
		f.op("VUNPCKLPS Y3, Y2, Y6")
		f.op("VUNPCKHPS Y3, Y2, Y7")
		f.op("VUNPCKLPD Y6, Y4, Y0")
		f.op("VUNPCKHPD Y6, Y4, Y1")
		f.op("VUNPCKLPD Y7, Y5, Y2")
		f.op("VUNPCKHPD Y7, Y5, Y3")
		for i := 0; i < 4; i++ { // in this order: with width < 8 the end of each is overwritten by the next
			f.op("VMOVUPS Y%d, (DX)", i)
			f.op("ADDQ R11, DX")
		}
	}
	f.op("ADDQ $32, SI")
	f.op("ADDQ $32, R10")
	f.op("DECQ CX")
	f.op("JNE %s", loop)
	f.end()
}
