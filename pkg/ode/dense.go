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
		if part.Buf.Len() > 0 || part.Buf.Device != 0 {
			d.be.Combine(part, d.coef, d.terms[i]...)
		}
	}
}
