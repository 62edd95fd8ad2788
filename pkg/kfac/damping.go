package kfac

import (
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Damping says what eps > 0 adds to the curvature s, or to the factors A and B. <s>, <a> and <b> are the means of s and
// of the factors' eigenvalues; gamma >= 0 is the curvature of a penalty, in the units of s whatever the damping.
//
//	          eigenvalue-corrected (Algorithm 2)         Kronecker (eq. (14)), A + delta_A I and B + delta_B I
//	Tikhonov  s + e,  e = eps + gamma                    delta_A = delta_B = sqrt(e)
//	Split     s + delta_A b + delta_B a + delta_A delta_B  delta_A = pi sqrt(e),  delta_B = sqrt(e) / pi,  pi = sqrt(<a> / <b>)
//	Relative  s + r,  r = eps <s> + gamma                delta_A = pi sqrt(r),  delta_B = sqrt(r) / pi
//
// Split is the factored damping of Martens and Grosse (2015, Section 6.3): the matrix
// (B + delta_B I) (x) (A + delta_A I) has b a + delta_A b + delta_B a + delta_A delta_B as eigenvalues, of which s takes
// the place of b a. Without a penalty, Relative is delta_A = sqrt(eps) <a> and delta_B = sqrt(eps) <b> in the Kronecker
// form. pi is 1 where a mean is 0.
type Damping int

// The dampings.
const (
	Tikhonov Damping = iota
	Split
	Relative
)

// Inversion is how Precondition inverts the curvature.
type Inversion struct {
	Kronecker bool    // eq. (14) itself: the factors' inverses; else Algorithm 2, which corrects the eigenvalues
	Alpha     float64 // of Algorithm 2
	Batch     float64 // samples in the gradient's mini-batch
	Damping   Damping
	Eps       float64 // in the units of s; of <s> with Relative
	Penalty   float64 // gamma
}

// smallest keeps the damping above 0 where Relative meets a curvature of 0, as in a layer that no signal reaches.
const smallest = 1e-30

// divide turns y = Gk [Out, K] into Gk / (damped curvature), after it moved the scale where the inversion does.
func (e *Eigenbasis) divide(be backend.Backend, y tensor.T, in Inversion) {
	switch {
	case in.Kronecker:
		be.EigenScale(y, e.product(be, in), 1, 0, 0)
	case in.Damping == Tikhonov:
		be.EigenScale(y, e.Scale, in.Alpha, in.Batch, in.Eps+in.Penalty)
	default:
		e.move(be, y, in)
		if in.Damping == Relative {
			be.EigenScale(y, e.Scale, 1, 0, max(in.Eps*e.meanScale(be)+in.Penalty, smallest))
			return
		}
		damped := e.spread(be, in)
		be.Combine(damped, []float64{1, 1}, damped, e.Scale)
		be.EigenScale(y, damped, 1, 0, 0)
	}
}

// move updates the scale alone: s <- alpha s + (1-alpha) batch Gk^2.
func (e *Eigenbasis) move(be backend.Backend, y tensor.T, in Inversion) {
	scratch := be.Plain(y.Shape)
	be.Combine(scratch, []float64{1}, y)
	be.EigenScale(scratch, e.Scale, in.Alpha, in.Batch, 1)
}

// product is (b + delta_B) (a + delta_A)^T [Out, K], the eigenvalues of the damped Kronecker product.
func (e *Eigenbasis) product(be backend.Backend, in Inversion) tensor.T {
	a, b := numbers(be, e.Inputs), numbers(be, e.Outputs)
	deltaA, deltaB := shares(a, b, in)
	for i := range a {
		a[i] += deltaA
	}
	for o := range b {
		b[o] += deltaB
	}
	return outer(be, b, a, 1)
}

// spread is delta_A b 1^T + 1 (delta_B a + delta_A delta_B)^T [Out, K], what Split adds to s.
func (e *Eigenbasis) spread(be backend.Backend, in Inversion) tensor.T {
	a, b := numbers(be, e.Inputs), numbers(be, e.Outputs)
	deltaA, deltaB := shares(a, b, in)
	left, right := make([]float64, 2*len(b)), make([]float64, 2*len(a))
	for o, v := range b {
		left[2*o], left[2*o+1] = deltaA*v, 1
	}
	for i, v := range a {
		right[i], right[len(a)+i] = 1, deltaB*v+deltaA*deltaB
	}
	return outer(be, left, right, 2)
}

// shares are delta_A and delta_B for the factors' eigenvalues a and b.
func shares(a, b []float64, in Inversion) (deltaA, deltaB float64) {
	meanA, meanB, total := mean(a), mean(b), in.Eps+in.Penalty
	if in.Damping == Relative {
		total = max(in.Eps*meanA*meanB+in.Penalty, smallest)
	}
	pi := 1.0
	if in.Damping != Tikhonov && meanA > 0 && meanB > 0 {
		pi = math.Sqrt(meanA / meanB)
	}
	return pi * math.Sqrt(total), math.Sqrt(total) / pi
}

// meanScale is <s>.
func (e *Eigenbasis) meanScale(be backend.Backend) float64 {
	out, k := e.sides()
	ones, rows := be.Plain(tensor.Of(k, 1)), be.Plain(tensor.Of(out, 1))
	host := make([]float64, k)
	for i := range host {
		host[i] = 1
	}
	be.Upload(ones, tensor.Buffer{F64: host})
	be.Gemm(rows, false, e.Scale, false, ones)
	return mean(numbers(be, rows)) / float64(k)
}

// Curvature is the second derivative of the quadratic model along a direction D of the layer, without damping:
//
//	sum_ok s_ok (U_B^T D U_A)_ok^2
//
// It panics if shapes disagree or the basis is not Ready.
func (e *Eigenbasis) Curvature(be backend.Backend, d Gradient) float64 {
	mark := be.Mark()
	defer be.Release(mark)
	y := e.rotate(be, d)
	squares := be.Plain(y.Shape)
	be.Combine(squares, nil)
	be.EigenScale(y, squares, 0, 1, 1) // squares = Dk^2
	sum := [1]float64{}
	be.Dot(sum[:], squares, e.Scale)
	return sum[0]
}

// outer is left right [rows, columns] with inner dimension n.
func outer(be backend.Backend, left, right []float64, n int) tensor.T {
	rows, columns := len(left)/n, len(right)/n
	x, y, dst := be.Plain(tensor.Of(rows, n)), be.Plain(tensor.Of(n, columns)), be.Plain(tensor.Of(rows, columns))
	be.Upload(x, tensor.Buffer{F64: left})
	be.Upload(y, tensor.Buffer{F64: right})
	be.Gemm(dst, false, x, false, y)
	return dst
}

// numbers are a tensor's elements on the host.
func numbers(be backend.Backend, t tensor.T) []float64 {
	host := tensor.Buffer{F64: make([]float64, t.Size())}
	be.Download(host, t)
	return host.F64
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
