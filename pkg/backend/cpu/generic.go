package cpu

import (
	"unsafe"

	"odepipe/pkg/backend/cpu/toomcook"
)

// generic is the set of kernels in plain Go: what runs on processors without a set of their own, and what the other
// sets are tested against.
var generic = newGeneric()

func newGeneric() *kernels {
	k := &kernels{
		name: "generic", tileRows: 4, dotRows: 4, dotColumns: 3,
		dot: genericDot, combine: genericCombine, combineEach: genericCombineEach, scaledSquares: genericScaledSquares, dotLanes: genericDotLanes,
		multiply: genericMultiply, multiplyImage: genericMultiplyImage, addImage: genericAddImage,
		transpose: genericTranspose,
	}
	k.tile = []func(*tileCall){nil}
	for rows := 1; rows <= k.tileRows; rows++ {
		k.tile = append(k.tile, func(c *tileCall) { genericTile(c, rows) })
	}
	for i, f := range toomcook.Filters {
		k.lines[i] = genericLines(f)
	}
	for a := range k.activate {
		f := activations[a]
		k.activate[a] = func(c *streamCall) { genericActivate(c, f.value) }
		k.activateGrad[a] = func(c *streamCall) { genericActivateGrad(c, f.slope) }
		k.activateGrad2[a] = func(c *streamCall) { genericActivateGrad2(c, f.curvature) }
	}
	return k
}

// from is the slice of n numbers that begins so many floats after p.
func from(p *float32, offset, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), 4*offset)), n)
}

func genericTile(c *tileCall, rows int) {
	for r := 0; r < rows; r++ {
		dst := (*[lanes]float32)(from(c.dst, r*c.stride, lanes))
		var acc [lanes]float32
		switch c.start {
		case fromImage:
			for l := range acc {
				acc[l] = from(c.image, r, 1)[0]
			}
		case fromDst:
			acc = *dst
		}
		for _, run := range unsafe.Slice(c.runs, c.count) {
			a, b := from(c.a, run.a*rows, run.n*rows), from(c.b, run.b*lanes, run.n*lanes)
			for i := 0; i < run.n; i++ {
				x, y := a[i*rows+r], (*[lanes]float32)(b[i*lanes:])
				for l := range acc {
					acc[l] += x * y[l]
				}
			}
		}
		*dst = acc
	}
}

func genericDot(c *dotCall) {
	const rows, columns = 4, 3
	for t, span := range unsafe.Slice(c.spans, c.count) {
		sum := from(c.sum, t*rows*dotPad, rows*dotPad)
		for k := range rows * columns {
			i, j := k/columns, k%columns
			var acc [lanes]float32
			for r := span.lo; r < span.hi; r++ {
				run := (*run)(unsafe.Add(unsafe.Pointer(c.runs), r*int(unsafe.Sizeof(run{}))))
				for n := 0; n < run.n; n++ {
					a := (*[lanes]float32)(from(c.a, ((run.a+n*c.stepA)*rows+i)*lanes, lanes))
					b := (*[lanes]float32)(from(c.b, ((run.b+n*c.stepB)*columns+j)*lanes, lanes))
					for l := range acc {
						acc[l] += a[l] * b[l]
					}
				}
			}
			for _, v := range acc {
				sum[i*dotPad+j] += v
			}
		}
	}
}

func genericCombine(c *streamCall) {
	dst := from(c.dst, c.offset, c.rows*lanes)
	terms := unsafe.Slice(c.terms, c.count)
	for i := range dst {
		sum := float32(0)
		for _, t := range terms {
			sum += t.coef * from(t.x, c.offset+i, 1)[0]
		}
		dst[i] = sum
	}
}

func genericCombineEach(c *streamCall) {
	dst := from(c.dst, c.offset, c.rows*lanes)
	terms, coef := unsafe.Slice(c.terms, c.count), from(c.x, 0, c.count*lanes)
	for i := range dst {
		sum := float32(0)
		for k, t := range terms {
			if a := coef[k*lanes+i%lanes]; a != 0 {
				sum += a * from(t.x, c.offset+i, 1)[0]
			}
		}
		dst[i] = sum
	}
}

func genericScaledSquares(c *streamCall) {
	y0, y1 := from(c.x, c.offset, c.rows*lanes), from(c.y, c.offset, c.rows*lanes)
	terms := unsafe.Slice(c.terms, c.count)
	for i := range y0 {
		e := float32(0)
		for _, t := range terms {
			e += t.coef * from(t.x, c.offset+i, 1)[0]
		}
		e /= c.atol + c.rtol*max(abs(y0[i]), abs(y1[i]))
		c.sum[i%lanes] += e * e
	}
}

func genericDotLanes(c *streamCall) {
	y := from(c.y, c.offset, c.rows*lanes)
	for i, x := range from(c.x, c.offset, c.rows*lanes) {
		c.sum[i%lanes] += x * y[i]
	}
}

func genericMultiply(c *streamCall) {
	dst, y := from(c.dst, c.offset, c.rows*lanes), from(c.y, c.offset, c.rows*lanes)
	for i, x := range from(c.x, c.offset, c.rows*lanes) {
		dst[i] = x * y[i]
	}
}

func genericMultiplyImage(c *streamCall) {
	dst, image := from(c.dst, c.offset, c.rows*lanes), from(c.y, 0, c.rows)
	for i, x := range from(c.x, c.offset, c.rows*lanes) {
		dst[i] = x * image[i/lanes]
	}
}

func genericAddImage(c *streamCall) {
	dst, image, coef := from(c.dst, c.offset, c.rows*lanes), from(c.y, 0, c.rows), from(c.x, 0, lanes)
	for i := range dst {
		dst[i] += coef[i%lanes] * image[i/lanes]
	}
}

func genericActivate(c *streamCall, value func(float32) float32) {
	dst := from(c.dst, c.offset, c.rows*lanes)
	for i, x := range from(c.x, c.offset, c.rows*lanes) {
		dst[i] = value(x)
	}
}

func genericActivateGrad(c *streamCall, slope func(float32) float32) {
	dst, dy := from(c.dst, c.offset, c.rows*lanes), from(c.y, c.offset, c.rows*lanes)
	for i, x := range from(c.x, c.offset, c.rows*lanes) {
		dst[i] = dy[i] * slope(x)
	}
}

func genericActivateGrad2(c *streamCall, curvature func(float32) float32) {
	n := c.rows * lanes
	dst, dy, v := from(c.dst, c.offset, n), from(c.y, c.offset, n), from(c.terms.x, c.offset, n)
	for i, x := range from(c.x, c.offset, n) {
		dst[i] += dy[i] * v[i] * curvature(x)
	}
}

func genericTranspose(c *transposeCall) {
	for s := 0; s < 8*c.groups; s++ {
		dst := from(c.dst, s*c.width, 8)
		for v := range dst {
			dst[v] = from(c.src, v*c.stride+s, 1)[0]
		}
	}
}

// genericLines are the kernels of a filter in plain Go.
func genericLines(f toomcook.Filter) lineKernels {
	of := func(matrix [][]float64, image bool) func(*lineCall) {
		return func(c *lineCall) { genericLine(c, matrix, image) }
	}
	return lineKernels{
		data: of(f.Data, false), weight: of(f.Weight, false), output: of(f.Output, false), image: of(f.Output, true),
		cotangent: of(toomcook.Transpose(f.Output), false), gradient: of(toomcook.Transpose(f.Weight), false),
	}
}

func genericLine(c *lineCall, matrix [][]float64, image bool) {
	outputs, inputs := len(matrix), len(matrix[0])
	for line := range c.lines {
		src, dst := unsafe.Slice(c.src, c.lines*inputs)[line*inputs:], unsafe.Slice(c.dst, c.lines*outputs)[line*outputs:]
		for at := range c.rows * lanes {
			for i, row := range matrix {
				sum := float32(0)
				for k, m := range row {
					if m != 0 {
						sum += float32(m) * from(src[k], c.from+at, 1)[0]
					}
				}
				if image {
					sum += from(unsafe.Slice(c.image, c.lines*outputs)[line*outputs+i], (c.to+at)/lanes, 1)[0]
				}
				from(dst[i], c.to+at, 1)[0] = sum
			}
		}
	}
}
