package cpu

import "odepipe/pkg/tensor"

// factor is one side of a matrix product: count vectors of so many steps, to be summed over the steps.
type factor struct {
	data         []float32
	count, steps int
	kind         int
	stride       int
}

// Where number s of vector v lies.
const (
	vectorMajor = iota // data[v stride + s]
	stepMajor          // data[s stride + v]
	batchMajor         // data[(s / 16 stride + v) 16 + s % 16]: feature v of sample s
)

// matrixOf is the rows of a plain matrix, or with columns its columns.
func matrixOf(t tensor.T, columns bool) factor {
	if t.N != 0 || t.Shape.Rank != 2 {
		panic("cpu: not a matrix")
	}
	m, n := t.Shape.Dim[0], t.Shape.Dim[1]
	if columns {
		return factor{data: floats(t), count: n, steps: m, kind: stepMajor, stride: n}
	}
	return factor{data: floats(t), count: m, steps: n, kind: vectorMajor, stride: n}
}

// batchOf is the features of a batch, the samples being the steps.
func batchOf(t tensor.T) factor {
	return factor{data: floats(t), count: t.Shape.Size(), steps: t.N, kind: batchMajor, stride: t.Shape.Size()}
}

// slice is the factor's steps lo..hi, lo being a multiple of 16.
func (f factor) slice(lo, hi int) factor {
	switch f.kind {
	case vectorMajor:
		f.data = f.data[lo:]
	default:
		f.data = f.data[lo*f.stride:]
	}
	f.steps = hi - lo
	return f
}

// interleave writes vectors lo..hi as dst[step][width]; what stands for missing ones is unspecified.
func (f factor) interleave(w *worker, k *kernels, dst []float32, width, lo, hi int) {
	switch f.kind {
	case stepMajor:
		for s := 0; s < f.steps; s++ {
			if src := f.data[s*f.stride+lo:]; hi-lo == lanes {
				*(*[lanes]float32)(dst[s*lanes:]) = [lanes]float32(src)
			} else {
				copy(dst[s*width:][:width], src[:hi-lo])
			}
		}
	case vectorMajor:
		turn(w, k, dst, width, f.data[lo*f.stride:], f.stride, hi-lo, f.steps)
	case batchMajor:
		for s := 0; s < f.steps; s += lanes {
			turn(w, k, dst[s*width:], width, f.data[s*f.stride+lo*lanes:], lanes, hi-lo, min(lanes, f.steps-s))
		}
	}
}

// transposeCall is the argument of the transposing kernel: for groups of 8 steps s and v < 8
//
//	dst[s width + v] = src[v stride + s]
//
// With width < 8 it leaves 8-width numbers of rubbish behind the last step. The assembly knows the offsets.
type transposeCall struct {
	dst, src      *float32
	width, stride int
	groups        int
}

// turn writes dst[s width + v] = src[v stride + s] for v < count <= width, s < steps. The kernel takes eight vectors at a
// time as far as src has eight and dst room for eight. Going backwards, and one by one at the end, overwrites its rubbish.
func turn(w *worker, k *kernels, dst []float32, width int, src []float32, stride, count, steps int) {
	for v := (count - 1) / 8 * 8; v >= 0; v -= 8 {
		done := 0
		if (v+7)*stride+steps <= len(src) && v+8 <= len(dst) {
			done = min(steps, (len(dst)-v-8)/width+1) / 8 * 8
		}
		if done > 0 {
			w.transpose = transposeCall{dst: &dst[v], src: &src[v*stride], width: width, stride: stride, groups: done / 8}
			k.transpose(&w.transpose)
		}
		for u := v; done < steps && u < min(v+8, count); u++ {
			at := done*width + u
			for _, x := range src[u*stride+done : u*stride+steps] {
				dst[at] = x
				at += width
			}
		}
	}
}
