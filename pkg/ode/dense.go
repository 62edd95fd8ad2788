package ode

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Dense is one accepted step, or its part up to t1, as a function of time. It is valid during the call of observe.
type Dense struct {
	From, To float64 // units of t; To < From when time runs backwards

	be         backend.Backend
	start, end float64      // of the whole step
	h          float64      // its size with sign: end - start but for rounding
	interp     [][5]float64 // the polynomials of Tableau.interpolant
	coef       []float64    // scratch [1 + slopes]
	terms      [][]tensor.T // of every part: y and the slopes
}

// Start, End and H are those of the whole step; H is End - Start but for rounding.
func (d *Dense) Start() float64 { return d.start }

// End is the time that the step reached, which may lie beyond To.
func (d *Dense) End() float64 { return d.end }

// H is the step's size with its sign.
func (d *Dense) H() float64 { return d.h }

// Whole says whether To is the end of the step.
func (d *Dense) Whole() bool { return d.To == d.end }

// Degree is the largest power of theta in the dense output.
func (d *Dense) Degree() int { return 4 }

// Power writes the coefficient of theta^k, of the parts that dst has: y for k = 0, else h sum_i p_ik k_i.
func (d *Dense) Power(dst State, k int) {
	d.coef[0] = 0
	if k == 0 {
		d.coef[0] = 1
	}
	for i, p := range d.interp {
		d.coef[1+i] = d.h * p[k]
	}
	for i, part := range dst {
		d.be.Combine(part, d.coef, d.terms[i]...)
	}
}

// Weights are the weights of the slopes at time t: the state there is y + h sum_i Weights[i] k_i.
func (d *Dense) Weights(t float64) []float64 {
	theta := (t - d.start) / (d.end - d.start)
	w := make([]float64, len(d.interp))
	for i, p := range d.interp {
		w[i] = theta * (p[1] + theta*(p[2]+theta*(p[3]+theta*p[4])))
	}
	return w
}

// At writes the state at time t, between From and To:
//
//	dst = y + h sum_i p_i(theta) k_i,   theta = (t - start) / (end - start)
//
// Parts of dst whose Buf is empty, and trailing parts that dst lacks, are skipped.
func (d *Dense) At(dst State, t float64) {
	theta := (t - d.start) / (d.end - d.start)
	d.coef[0] = 1
	for i, p := range d.interp {
		d.coef[1+i] = d.h * theta * (p[1] + theta*(p[2]+theta*(p[3]+theta*p[4])))
	}
	for i, part := range dst {
		if !absent(part) {
			d.be.Combine(part, d.coef, d.terms[i]...)
		}
	}
}
