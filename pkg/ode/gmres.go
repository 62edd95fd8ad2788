package ode

import (
	"math"

	"odepipe/pkg/tensor"
)

// Linear is a field that knows its Jacobian. Others have it from finite differences of Eval.
type Linear interface {
	Field
	// JVP writes dst = (df/dx) v in the parts on which f depends, at the point of the last Eval, which has not
	// changed since.
	JVP(dst State, v State)
}

// gmres solves (1 - c J) d = b, J the Jacobian of the field, by minimal residuals over the spaces of b, (1 - c J) b, ...
// (Saad and Schultz 1986), in the Euclidean norm over all parts on which f depends and all samples.
type gmres struct {
	*workspace
	jacobian Linear       // nil: finite differences
	basis    []State      // orthonormal [krylov + 1]
	columns  [][]tensor.T // of every part: its basis
	trial    State        // argument of finite differences
	probe    State        // f there, all parts
	hess     [][]float64  // columns of the Hessenberg matrix, made triangular as they come [krylov][krylov + 1]
	cos, sin []float64    // the rotations that do that
	rest     []float64    // the right-hand side in the basis, rotated; rest[n] is the residual after n columns
	solution []float64
	pair     [2]tensor.T
	two      [2]float64
	unit     float64 // spacing of the backend's numbers at 1
}

// The constants of the linear solver.
const (
	krylov         = 30   // most products with the Jacobian in one system
	linearAccuracy = 1e-3 // residual at the end, of the first: Newton's next iteration sees what is left
)

// newGMRES allocates the memory for states like active, in the arena.
func newGMRES(w *workspace, active State) *gmres {
	size := 0
	for _, part := range active {
		size += part.Size()
	}
	n := min(krylov, size)
	s := &gmres{
		workspace: w, basis: make([]State, n+1), columns: make([][]tensor.T, len(active)), trial: like(w.be, active),
		hess: make([][]float64, n), cos: make([]float64, n), sin: make([]float64, n),
		rest: make([]float64, n+1), solution: make([]float64, n), unit: 0x1p-52,
	}
	if w.be.DType() == tensor.Float32 {
		s.unit = 0x1p-23
	}
	if linear, ok := w.problem.Field.(Linear); ok {
		s.jacobian = linear
	} else {
		s.probe = like(w.be, w.y)
	}
	for i := range s.basis {
		s.basis[i] = like(w.be, active)
		for part, v := range s.basis[i] {
			s.columns[part] = append(s.columns[part], v)
		}
	}
	for i := range s.hess {
		s.hess[i] = make([]float64, n+1)
	}
	return s
}

// solve overwrites d, the right-hand side, with the solution. x is the point of the last evaluation, at time t, and f
// the value there. A b that is not finite stays so.
func (s *gmres) solve(d State, c, t float64, x, f State) {
	norm := math.Sqrt(s.dot(d, d))
	if norm == 0 || !finite(norm) {
		return
	}
	s.scale(s.basis[0], 1/norm, d)
	clear(s.rest)
	s.rest[0] = norm
	n := 0
	for n < len(s.hess) && math.Abs(s.rest[n]) > linearAccuracy*norm {
		s.product(s.basis[n+1], s.basis[n], t, x, f)
		s.add(s.basis[n+1], 1, s.basis[n], -c, s.basis[n+1]) // (1 - c J) v_n
		s.extend(n)
		n++
	}
	s.backSubstitute(n)
	for part := range d {
		s.be.Combine(d[part], s.solution[:n], s.columns[part][:n]...)
	}
}

// product writes dst = J v at x.
func (s *gmres) product(dst, v State, t float64, x, f State) {
	if s.jacobian != nil {
		s.jacobian.JVP(dst, v)
		s.jvps++
		return
	}
	step := math.Sqrt(s.unit) * (1 + math.Sqrt(s.dot(x, x))) // of a v of norm 1
	s.add(s.trial, 1, x, step, v)
	s.evalTo(s.probe, t, s.trial, Evaluation{false, -1})
	s.add(dst, 1/step, s.probe, -1/step, f)
}

// extend makes basis n+1 orthogonal to those before, and the new column of the Hessenberg matrix triangular.
func (s *gmres) extend(n int) {
	column, w := s.hess[n], s.basis[n+1]
	for i := range n + 1 {
		column[i] = s.dot(s.basis[i], w)
		s.add(w, 1, w, -column[i], s.basis[i])
	}
	length := math.Sqrt(s.dot(w, w))
	if length > 0 {
		s.scale(w, 1/length, w)
	}
	for i := range n {
		a, b := column[i], column[i+1]
		column[i], column[i+1] = s.cos[i]*a+s.sin[i]*b, s.cos[i]*b-s.sin[i]*a
	}
	r := math.Hypot(column[n], length)
	s.cos[n], s.sin[n] = column[n]/r, length/r
	column[n] = r
	s.rest[n], s.rest[n+1] = s.cos[n]*s.rest[n], -s.sin[n]*s.rest[n]
}

// backSubstitute solves the triangular system of n columns.
func (s *gmres) backSubstitute(n int) {
	for i := n - 1; i >= 0; i-- {
		x := s.rest[i]
		for j := i + 1; j < n; j++ {
			x -= s.hess[j][i] * s.solution[j]
		}
		s.solution[i] = x / s.hess[i][i]
	}
}

// dot is the inner product of two states in the active parts.
func (s *gmres) dot(x, y State) float64 {
	total := 0.0
	for part := range s.active {
		sum := s.sum[:max(x[part].N, 1)]
		clear(sum)
		s.be.Dot(sum, x[part], y[part])
		for _, v := range sum {
			total += v
		}
	}
	return total
}

// add writes dst = a x + b y in the parts that dst has.
func (s *gmres) add(dst State, a float64, x State, b float64, y State) {
	s.two = [2]float64{a, b}
	for part := range dst {
		s.pair = [2]tensor.T{x[part], y[part]}
		s.be.Combine(dst[part], s.two[:], s.pair[:]...)
	}
}

// scale writes dst = a x.
func (s *gmres) scale(dst State, a float64, x State) {
	s.two[0] = a
	for part := range dst {
		s.be.Combine(dst[part], s.two[:1], x[part:part+1]...)
	}
}
