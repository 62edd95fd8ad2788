package ode

import "math"

// Norm makes one number of the root mean squares of the parts of
//
//	e / (atol + rtol max(|y0|, |y1|))
//
// with e the error estimate of a step from y0 to y1. A step is accepted if that number is at most 1. The mean is over
// all elements of a part, over its samples too. With Control "sample" there is a number of each sample: the mean is over
// its own elements, and plain parts count as 0. A NaN among the arguments must come out as a NaN.
type Norm func(rms []float64) float64

// Max is the largest of all parts; for a single part its root mean square. It is torchdiffeq's norm of a tuple, and
// so its default for adjoints.
func Max(rms []float64) float64 {
	largest := 0.0
	for _, r := range rms {
		largest = max(largest, r)
	}
	return largest
}

// First is the largest of the first n parts, a semi-norm: the error of the others is not controlled
// (Kidger et al. 2021, "Hey, that's not an ODE").
func First(n int) Norm {
	return func(rms []float64) float64 { return Max(rms[:n]) }
}

// finite says whether x is a number and not infinite.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
