package adjoint

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// MaxTheorem1 bounds the numbers in the state of Theorem 1; a solve holds about a dozen states.
const MaxTheorem1 = 1 << 24

// ErrTooLarge says that second derivatives of a block are too many to hold.
var ErrTooLarge = errors.New("adjoint: too large for dense second derivatives")

// Theorem1 integrates the second-order matrix equations backwards, one coupled solve, and returns Q_uu(t0) [n, n] of the
// sum over the samples, n the number of the block's parameters (paper, equations 9a to 9c with l = 0):
//
//	-Q_xx' = F_x^T Q_xx + Q_xx F_x     + sum_k a_k F^k_xx      [m, m], of each sample
//	-Q_xu' = Q_xx F_u + F_x^T Q_xu     + sum_k a_k F^k_xu      [m, n], of each sample
//	-Q_uu' = F_u^T Q_xu + Q_ux F_u     + sum_k a_k F^k_uu      [n, n]
//
// with a = Q_x. The last column is there only if full is set: then Q_uu is the Hessian of the loss with respect to theta,
// without it J^T Phi_xx J with J = dx(t1)/dtheta, the generalised Gauss-Newton matrix (the paper's equations are the
// linearised ones). a1 is Phi_x of each sample, curvature Phi_xx of each sample [m m].
//
// The samples share one interval. It returns ErrTooLarge if the state has more than MaxTheorem1 numbers, and the errors of ode.Solve.
func Theorem1(p *Problem, x1, a1, curvature tensor.T, full bool) (tensor.T, ode.Stats, error) {
	be, m, n := p.Backend, x1.Shape.Size(), 0
	for _, param := range p.Params {
		n += param.Shape.Size()
	}
	if size := float64(x1.N)*float64(m)*(float64(m)+float64(n)) + float64(n)*float64(n); !(size <= MaxTheorem1) {
		return tensor.T{}, ode.Stats{}, fmt.Errorf("block %s: %d samples of %d dimensions with %d parameters make a state of %.3g numbers, more than %d: %w",
			p.Block, x1.N, m, n, size, MaxTheorem1, ErrTooLarge)
	}
	state := ode.State{x1, a1, curvature, be.Batch(x1.N, tensor.Of(m*n)), be.Plain(tensor.Of(n, n))}
	be.Combine(state[3], nil)
	be.Combine(state[4], nil)
	problem := ode.Problem{Field: newMatrices(p, x1, n, full), Quadrature: 1, Block: p.Block, Trace: p.Trace}
	end, stats, err := ode.Solve(be, problem, state, p.T1, p.T0, p.common(), nil)
	if err != nil {
		return tensor.T{}, stats, err
	}
	return end[4], stats, nil
}

// matrices is the field of the state (x, a, Q_xx, Q_xu, Q_uu). The matrix products are done on the host, in float64.
type matrices struct {
	be    backend.Backend
	field *nn.Bound
	full  bool
	m, n  int
	batch int

	unit, row, negative, tangent tensor.T
	each                         []tensor.T // F_u of each sample, one row
	direction, sum               []tensor.T // of parameters

	fx, fu        []float64 // Jacobians [batch, m, m] and [batch, m, n]
	hxx, hxu, huu []float64 // sum_k a_k of second derivatives [batch, m, m], [batch, m, n], and summed over the batch [n, n]
	qxx, qxu      []float64
	dxx, dxu, duu []float64
	scratch       []float64
}

func newMatrices(p *Problem, x tensor.T, n int, full bool) *matrices {
	be, m := p.Backend, x.Shape.Size()
	f := &matrices{be: be, field: p.Field, full: full, m: m, n: n, batch: x.N}
	for _, t := range []*tensor.T{&f.unit, &f.row, &f.negative, &f.tangent} {
		*t = be.Batch(x.N, x.Shape)
	}
	for _, param := range p.Params {
		f.each = append(f.each, be.Batch(x.N, tensor.Of(param.Shape.Size())))
		f.direction, f.sum = append(f.direction, be.Plain(param.Shape)), append(f.sum, be.Plain(param.Shape))
	}
	for _, s := range []*[]float64{&f.fx, &f.hxx, &f.qxx, &f.dxx} {
		*s = make([]float64, x.N*m*m)
	}
	for _, s := range []*[]float64{&f.fu, &f.hxu, &f.qxu, &f.dxu} {
		*s = make([]float64, x.N*m*n)
	}
	f.huu, f.duu, f.scratch = make([]float64, n*n), make([]float64, n*n), make([]float64, x.N*max(m, n))
	return f
}

// Eval writes the derivatives of all parts.
func (f *matrices) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.field.Forward(dst[0], t, y[0])
	f.be.Combine(f.negative, minusOne, y[1])
	f.field.VJP(nn.Cotangents{Dx: dst[1]}, f.negative)
	f.jacobians()
	if f.full {
		f.curvatures(y[1])
	}
	f.be.Download(tensor.Buffer{F64: f.qxx}, y[2])
	f.be.Download(tensor.Buffer{F64: f.qxu}, y[3])
	f.products()
	f.be.Upload(dst[2], tensor.Buffer{F64: f.dxx})
	f.be.Upload(dst[3], tensor.Buffer{F64: f.dxu})
	if e.Quadrature {
		f.be.Upload(dst[4], tensor.Buffer{F64: f.duu})
	}
}

// jacobians fills in F_x and F_u, row k of both by the cotangent e_k.
func (f *matrices) jacobians() {
	for k := range f.m {
		f.be.Upload(f.unit, f.units(k, f.m))
		f.field.VJP(nn.Cotangents{Dx: f.row, Each: f.each}, f.unit)
		f.download(f.row, f.m, func(sample, d int, v float64) { f.fx[(sample*f.m+k)*f.m+d] = v })
		offset := 0
		for _, each := range f.each {
			f.download(each, each.Shape.Size(), func(sample, d int, v float64) { f.fu[(sample*f.m+k)*f.n+offset+d] = v })
			offset += each.Shape.Size()
		}
	}
}

// units is a batch of copies of e_k.
func (f *matrices) units(k, size int) tensor.Buffer {
	host := f.scratch[:f.batch*size]
	clear(host)
	for n := range f.batch {
		host[n*size+k] = 1
	}
	return tensor.Buffer{F64: host}
}

func (f *matrices) download(x tensor.T, size int, set func(sample, d int, v float64)) {
	host := f.scratch[:f.batch*size]
	f.be.Download(tensor.Buffer{F64: host}, x)
	for i, v := range host {
		set(i/size, i%size, v)
	}
}

// curvatures fills in the second derivatives of <a, F>, column j of each along the direction e_j of x or of theta.
func (f *matrices) curvatures(a tensor.T) {
	for j := range f.m {
		f.be.Upload(f.unit, f.units(j, f.m))
		f.field.JVP(f.tangent, nn.Direction{Dx: f.unit})
		f.field.PairVJP(nn.Cotangents{Dx: f.row}, tensor.T{}, tensor.T{}, a)
		f.download(f.row, f.m, func(sample, d int, v float64) { f.hxx[(sample*f.m+d)*f.m+j] = v })
	}
	column := 0
	for i, direction := range f.direction {
		for k := range f.direction {
			f.be.Combine(f.direction[k], nil)
		}
		size := direction.Shape.Size()
		one := make([]float64, size)
		for k := range size {
			clear(one)
			one[k] = 1
			f.be.Upload(f.direction[i], tensor.Buffer{F64: one})
			f.field.JVP(f.tangent, nn.Direction{Params: f.direction})
			f.field.PairVJP(nn.Cotangents{Dx: f.row, Params: f.sum}, tensor.T{}, tensor.T{}, a)
			f.download(f.row, f.m, func(sample, d int, v float64) { f.hxu[(sample*f.m+d)*f.n+column] = v })
			row := 0
			for _, sum := range f.sum {
				host := make([]float64, sum.Size())
				f.be.Download(tensor.Buffer{F64: host}, sum)
				for _, v := range host {
					f.huu[row*f.n+column] = v
					row++
				}
			}
			column++
		}
	}
}

// products writes the right-hand sides of equations (9b) and (9c).
func (f *matrices) products() {
	copy(f.duu, f.huu)
	copy(f.dxx, f.hxx)
	copy(f.dxu, f.hxu)
	m, n := f.m, f.n
	for sample := range f.batch {
		square := func(s []float64) blas64.General { return general(s[sample*m*m:][:m*m], m, m) }
		wide := func(s []float64) blas64.General { return general(s[sample*m*n:][:m*n], m, n) }
		fx, fu, qxx, qxu := square(f.fx), wide(f.fu), square(f.qxx), wide(f.qxu)
		product(blas.Trans, fx, blas.NoTrans, qxx, square(f.dxx))
		product(blas.NoTrans, qxx, blas.NoTrans, fx, square(f.dxx))
		product(blas.NoTrans, qxx, blas.NoTrans, fu, wide(f.dxu))
		product(blas.Trans, fx, blas.NoTrans, qxu, wide(f.dxu))
		product(blas.Trans, fu, blas.NoTrans, qxu, general(f.duu, n, n))
		product(blas.Trans, qxu, blas.NoTrans, fu, general(f.duu, n, n))
	}
	for _, s := range [][]float64{f.dxx, f.dxu, f.duu} {
		for i := range s {
			s[i] = -s[i]
		}
	}
}

func general(s []float64, rows, columns int) blas64.General {
	return blas64.General{Rows: rows, Cols: columns, Stride: columns, Data: s}
}

// product is c += op(a) op(b).
func product(ta blas.Transpose, a blas64.General, tb blas.Transpose, b, c blas64.General) {
	blas64.Gemm(ta, tb, 1, a, b, 1, c)
}
