package cpu

import (
	"math"

	"odepipe/pkg/tensor"
)

// EigenScale writes s <- alpha s + (1-alpha) batch g^2, then g <- g / (s + eps).
func (be *Backend) EigenScale(g, s tensor.T, alpha, batch, eps float64) {
	sameSize(g, s)
	gs, ss := floats(g), floats(s)
	keep, gain, e := float32(alpha), float32((1-alpha)*batch), float32(eps)
	for i, v := range gs {
		scale := keep*ss[i] + gain*v*v
		ss[i] = scale
		gs[i] = v / (scale + e)
	}
}

// AdamStep is one step of Adam.
func (be *Backend) AdamStep(p, m, v, g tensor.T, lr, beta1, beta2, eps float64, step int64) {
	sameSize(p, g)
	sameSize(m, g)
	sameSize(v, g)
	ps, ms, vs := floats(p), floats(m), floats(v)
	b1, c1 := float32(beta1), float32(1-beta1)
	b2, c2 := float32(beta2), float32(1-beta2)
	rate := float32(lr / (1 - math.Pow(beta1, float64(step))))
	root := float32(1 / math.Sqrt(1-math.Pow(beta2, float64(step))))
	e := float32(eps)
	for i, x := range floats(g) {
		ms[i] = b1*ms[i] + c1*x
		vs[i] = b2*vs[i] + c2*x*x
		ps[i] -= rate * ms[i] / (root*float32(math.Sqrt(float64(vs[i]))) + e)
	}
}
