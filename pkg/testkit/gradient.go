package testkit

// differenceStep is the step of central differences: near the cube root of the spacing of doubles, where the error of
// the formula, O(step^2), and that of rounding, O(2^-52 / step), balance.
const differenceStep = 1e-5

// Gradient approximates df/dx at x by central differences,
//
//	df/dx_i = (f(x + h e_i) - f(x - h e_i)) / 2h,   h = 1e-5
//
// which is good to about 1e-9 for a smooth f of values and derivatives near 1. x is restored before it returns; f
// must not keep it.
func Gradient(f func(x []float64) float64, x []float64) []float64 {
	gradient := make([]float64, len(x))
	for i, centre := range x {
		x[i] = centre + differenceStep
		above := f(x)
		x[i] = centre - differenceStep
		below := f(x)
		x[i] = centre
		gradient[i] = (above - below) / (2 * differenceStep)
	}
	return gradient
}
