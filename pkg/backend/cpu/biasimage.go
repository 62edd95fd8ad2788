package cpu

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// taps is the range of window indices that lie inside an image of this size at output index i along one axis.
func taps(g backend.Conv, i, size int) span {
	first := i*g.Stride - g.Padding
	return span{max(0, -first), min(g.Kernel, size-first)}
}

// BiasImage writes dst[i, j, o] = b[o] + t sum_{u, v inside} w[o, 0, u, v]. The sum depends only on which taps are
// inside, so most rows and pixels are copies of their predecessor.
func (be *Backend) BiasImage(dst tensor.T, g backend.Conv, w, b tensor.T, t float64) {
	d := floats(dst)
	if len(d) != g.Out*g.OH()*g.OW() {
		panic("cpu: bias image does not fit the convolution")
	}
	row := g.OW() * g.Out
	for i := 0; i < g.OH(); i++ {
		us := taps(g, i, g.H)
		if i > 0 && us == taps(g, i-1, g.H) {
			copy(d[i*row:][:row], d[(i-1)*row:])
			continue
		}
		for j := 0; j < g.OW(); j++ {
			vs := taps(g, j, g.W)
			pixel := d[i*row+j*g.Out:][:g.Out]
			if j > 0 && vs == taps(g, j-1, g.W) {
				copy(pixel, d[i*row+(j-1)*g.Out:])
			} else {
				biasPixel(pixel, g, w, b, t, us, vs)
			}
		}
	}
}

func biasPixel(dst []float32, g backend.Conv, w, b tensor.T, t float64, us, vs span) {
	for o := range dst {
		sum := 0.0
		if g.Time {
			for u := us.lo; u < us.hi; u++ {
				for v := vs.lo; v < vs.hi; v++ {
					sum += float64(w.Buf.F32[o*g.FanIn()+u*g.Kernel+v])
				}
			}
			sum *= t
		}
		if b.Buf.F32 != nil {
			sum += float64(b.Buf.F32[o])
		}
		dst[o] = float32(sum)
	}
}

// BiasImageGrad writes dw[o, 0, u, v] = t sum of gsum[i, j, o] over the pixels where the tap (u, v) is inside, and
// db[o] = sum_{i, j} gsum[i, j, o] unless db is the zero T.
func (be *Backend) BiasImageGrad(dw, db tensor.T, g backend.Conv, gsum tensor.T, t float64) {
	sums := floats(gsum)
	if len(sums) != g.Out*g.OH()*g.OW() {
		panic("cpu: gradient image does not fit the convolution")
	}
	for o := 0; o < g.Out; o++ {
		if db.Buf.F32 != nil {
			db.Buf.F32[o] = float32(windowSum(sums[o:], g.Out, g.OW(), span{0, g.OH()}, span{0, g.OW()}))
		}
		for u := 0; g.Time && u < g.Kernel; u++ {
			for v := 0; v < g.Kernel; v++ {
				is, js := outputs(g, u, g.H, g.OH()), outputs(g, v, g.W, g.OW())
				dw.Buf.F32[o*g.FanIn()+u*g.Kernel+v] = float32(t * windowSum(sums[o:], g.Out, g.OW(), is, js))
			}
		}
	}
}

// outputs is the range of output indices, of so many, at which the window index u lies inside an image of this size.
func outputs(g backend.Conv, u, size, count int) span {
	lo := max(0, (g.Padding-u+g.Stride-1)/g.Stride)
	hi := 0
	if last := size - 1 + g.Padding - u; last >= 0 {
		hi = min(count, last/g.Stride+1)
	}
	return span{min(lo, hi), hi}
}

// windowSum adds the numbers of one channel of an image [.., width, channels] over some rows and columns.
func windowSum(image []float32, channels, width int, rows, columns span) float64 {
	sum := 0.0
	for i := rows.lo; i < rows.hi; i++ {
		for j := columns.lo; j < columns.hi; j++ {
			sum += float64(image[(i*width+j)*channels])
		}
	}
	return sum
}
