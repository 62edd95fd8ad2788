package main

import (
	"fmt"
	"math"

	"odepipe/pkg/backend/cpu/toomcook"
)

// lines emits the transforms of minimal filtering. Registers: the inputs from 0 on, then the output in hand, a number of the
// image, and down from 15 the magnitudes of the coefficients other than 1.
func lines(f *file, v vectors) {
	for _, t := range toomcook.Filters {
		for _, kind := range []struct {
			name   string
			matrix [][]float64
			image  bool
		}{
			{"filterData", t.Data, false},
			{"filterWeight", t.Weight, false},
			{"filterOutput", t.Output, false},
			{"filterImage", t.Output, true},
			{"filterCotangent", toomcook.Transpose(t.Output), false},
			{"filterGradient", toomcook.Transpose(t.Weight), false},
		} {
			l := lineKernel{f: f, v: v, matrix: kind.matrix, image: kind.image, registers: map[float64]string{}}
			l.emit(fmt.Sprintf("%s%dx%d%s", kind.name, t.Size, t.Taps, v.name))
		}
	}
}

// lineKernel is one kernel: outputs = matrix inputs, plus an image.
type lineKernel struct {
	f         *file
	v         vectors
	matrix    [][]float64
	image     bool
	registers map[float64]string // of the magnitudes
}

func (l *lineKernel) output() string { return l.v.reg(len(l.matrix[0])) }
func (l *lineKernel) pixel() string  { return l.v.reg(len(l.matrix[0]) + 1) }

// emit writes the kernel. SI runs over the rows, up to 0, from pointers that end with them. Kernels with an image, whose
// pointers are too many for the registers, find those of the outputs and of the image in their tables.
func (l *lineKernel) emit(name string) {
	f, outputs := l.f, len(l.matrix)
	line, row := f.label("line"), f.label("row")
	f.begin(name, "lineCall")
	l.magnitudes()
	f.place(line)
	l.pointers("src", "from", l.inputs())
	if l.image {
		f.op("MOVQ lineCall_dst(DI), R10")
		f.op("MOVQ lineCall_image(DI), R11")
		f.op("MOVQ lineCall_to(DI), R13")
		f.op("MOVQ R13, R14")
		f.op("SHLQ $2, R13")
		f.op("SHRQ $2, R14") // a number for each row
	} else {
		l.pointers("dst", "to", l.outputs())
	}
	f.op("MOVQ lineCall_rows(DI), SI")
	f.op("SHLQ $6, SI")
	f.op("NEGQ SI")
	f.place(row)
	for part := 0; part < l.v.perRow(); part++ {
		l.part(4 * part * l.v.width)
	}
	if l.image {
		f.op("ADDQ $%d, R13", 4*lanes)
		f.op("ADDQ $4, R14")
		f.op("ADDQ $%d, SI", 4*lanes)
		f.op("JNE %s", row)
		f.op("ADDQ $%d, lineCall_image(DI)", 8*outputs)
	} else {
		f.op("ADDQ $%d, SI", 4*lanes)
		f.op("JNE %s", row)
	}
	f.op("ADDQ $%d, lineCall_src(DI)", 8*len(l.matrix[0]))
	f.op("ADDQ $%d, lineCall_dst(DI)", 8*outputs)
	f.op("DECQ lineCall_lines(DI)")
	f.op("JNE %s", line)
	f.end()
}

// inputs and outputs are the registers of the pointers.
func (l *lineKernel) inputs() []string { return pointerRegisters[:len(l.matrix[0])] }
func (l *lineKernel) outputs() []string {
	return pointerRegisters[len(l.matrix[0]) : len(l.matrix[0])+len(l.matrix)]
}

var pointerRegisters = []string{"AX", "BX", "CX", "DX", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

// pointers loads those of a line from a table, and moves them to the end of the rows at an offset.
func (l *lineKernel) pointers(table, offset string, registers []string) {
	l.f.op("MOVQ lineCall_%s(DI), SI", table)
	for k, r := range registers {
		l.f.op("MOVQ %d(SI), %s", 8*k, r)
	}
	l.f.op("MOVQ lineCall_rows(DI), SI")
	l.f.op("SHLQ $4, SI")
	l.f.op("ADDQ lineCall_%s(DI), SI", offset)
	l.f.op("SHLQ $2, SI")
	for _, r := range registers {
		l.f.op("ADDQ SI, %s", r)
	}
}

// magnitudes loads the magnitudes of the coefficients other than 1.
func (l *lineKernel) magnitudes() {
	next := 15
	for _, row := range l.matrix {
		for _, c := range row {
			size := math.Abs(c)
			if size == 0 || size == 1 || l.registers[size] != "" {
				continue
			}
			l.registers[size] = l.v.reg(next)
			l.f.op("MOVL $0x%08x, AX", math.Float32bits(float32(size)))
			l.f.op("VMOVD AX, X%d", next)
			l.f.op("VBROADCASTSS X%d, %s", next, l.v.reg(next))
			next--
		}
	}
	if next <= len(l.matrix[0])+1 {
		panic("gen-kernels: too many coefficients")
	}
}

// part emits the outputs for the vectors at an offset in the row.
func (l *lineKernel) part(offset int) {
	for k, r := range l.inputs() {
		l.f.op("VMOVUPS %d(%s)(SI*1), %s", offset, r, l.v.reg(k))
	}
	for i, row := range l.matrix {
		sum := l.combination(row)
		if !l.image {
			l.f.op("VMOVUPS %s, %d(%s)(SI*1)", sum, offset, l.outputs()[i])
			continue
		}
		l.f.op("MOVQ %d(R11), R12", 8*i)
		l.f.op("VBROADCASTSS (R12)(R14*1), %s", l.pixel())
		l.f.op("VADDPS %s, %s, %s", l.pixel(), sum, l.output())
		l.f.op("MOVQ %d(R10), R12", 8*i)
		l.f.op("VMOVUPS %s, %d(R12)(R13*1)", l.output(), offset)
	}
}

// combination emits the sum of the inputs with these coefficients, beginning with one of coefficient 1 or another positive
// one, and returns its register.
func (l *lineKernel) combination(coefficients []float64) string {
	first := -1
	for k, c := range coefficients {
		if c == 1 || c > 0 && first < 0 {
			first = k
			if c == 1 {
				break
			}
		}
	}
	sum := l.v.reg(first)
	if c := coefficients[first]; c != 1 {
		l.f.op("VMULPS %s, %s, %s", l.registers[c], sum, l.output())
		sum = l.output()
	}
	for _, unit := range []bool{true, false} { // additions first: their result may go to another register than the sum's
		for k, c := range coefficients {
			if c == 0 || k == first || (math.Abs(c) == 1) != unit {
				continue
			}
			switch {
			case c == 1:
				l.f.op("VADDPS %s, %s, %s", l.v.reg(k), sum, l.output())
			case c == -1:
				l.f.op("VSUBPS %s, %s, %s", l.v.reg(k), sum, l.output())
			default:
				if sum != l.output() {
					l.f.op("VMOVAPS %s, %s", sum, l.output())
				}
				instruction := "VFMADD231PS"
				if c < 0 {
					instruction = "VFNMADD231PS"
				}
				l.f.op("%s %s, %s, %s", instruction, l.registers[math.Abs(c)], l.v.reg(k), l.output())
			}
			sum = l.output()
		}
	}
	return sum
}
