package ref

import "odepipe/pkg/tensor"

// SumBatch writes dst_d = sum_n weight[n] x[n]_d, weight nil for ones.
func (*Backend) SumBatch(dst, x tensor.T, weight []float64) {
	out, in := numbers(dst), numbers(x)
	mustMatch(len(out), x.Shape.Size())
	clear(out)
	for n := range x.N {
		w := 1.0
		if weight != nil {
			w = ofSample(weight, n, x.N)
		}
		for d := range out {
			out[d] += w * in[n*len(out)+d]
		}
	}
}

// AddImages adds y[n] += coef[n] image.
func (*Backend) AddImages(y tensor.T, coef []float64, image tensor.T) {
	out, in := numbers(y), numbers(image)
	mustMatch(len(in), y.Shape.Size())
	for n := range y.N {
		for d, v := range in {
			out[n*len(in)+d] += ofSample(coef, n, y.N) * v
		}
	}
}

// DotImage adds sum[n] += sum_d x[n]_d image_d.
func (*Backend) DotImage(sum []float64, x, image tensor.T) {
	in, other := numbers(x), numbers(image)
	mustMatch(len(other), x.Shape.Size())
	mustMatch(len(sum), x.N)
	for n := range sum {
		for d, v := range other {
			sum[n] += in[n*len(other)+d] * v
		}
	}
}

// ofSample is the element of sample n in a list of one element for all, or of one for each of so many samples.
func ofSample(list []float64, n, samples int) float64 {
	if len(list) == 1 {
		return list[0]
	}
	mustMatch(len(list), samples)
	return list[n]
}
