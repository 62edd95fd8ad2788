package adjoint

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// layout says where the parts of a backward state are:
//
//	[x]  a  q_1 .. q_R  |  int H_t dt  Q_theta ...  p_1 ... p_R ...      x in a backsolve only
//
// Those behind the bar are quadratures: F does not depend on them.
type layout struct {
	x              int // -1: x is not part of the state
	a, q           int
	t, params, row int
	end            int
}

func newLayout(withX bool, vectors, params int, rows bool) layout {
	l := layout{x: -1}
	if withX {
		l.x, l.a = 0, 1
	}
	l.q = l.a + 1
	l.t = l.q + vectors
	l.params = l.t + 1
	l.row = l.params + params
	l.end = l.row
	if rows {
		l.end += vectors * params
	}
	return l
}

// augmented is the field of a backward state. With H = <a, F> + l it is
//
//	x' = F   a' = -H_x   q_i' = -F_x^T q_i   (int H_t)' = -H_t   Q_theta' = -H_theta   p_i' = -F_theta^T q_i
//
// all times dt/ds where the samples have intervals of their own.
type augmented struct {
	be     backend.Backend
	field  *nn.Bound
	layout layout
	clock  clock
	costs  Costs
	path   *path   // where x comes from if it is not part of the state
	stages *Stages // nil: nothing is sampled at the stages

	point     ode.State // of the last evaluation
	begun     bool      // the first evaluation, at (t1, x1), has been
	dphi, dt1 []float64 // of it

	x, value  tensor.T       // of the path, and F there
	cotangent tensor.T       // -(a + l_F)
	along     []nn.Direction // the probes
	tangents  []tensor.T     // F_x e_p, and what they are multiplied by; at least one for implicit methods
	dt        []float64      // H_t
	params    []tensor.T     // of one evaluation, for Accumulate
	plainDt   tensor.T
	weights   [][]float64
	terms     [2]tensor.T
	coef      [2]float64
	rows      [2][]float64
}

var (
	_ ode.Field       = (*augmented)(nil)
	_ ode.Accumulator = (*augmented)(nil)
)

// newAugmented allocates scratch for the state's shapes.
func newAugmented(p *Problem, l layout, a tensor.T, path *path) *augmented {
	be := p.Backend
	f := &augmented{be: be, field: p.Field, layout: l, clock: newClock(p, a.N), costs: p.Costs, path: path,
		cotangent: be.Batch(a.N, a.Shape), dt: make([]float64, 1), weights: make([][]float64, 1)}
	if p.Span != nil {
		f.dt = make([]float64, a.N)
		f.rows = [2][]float64{make([]float64, a.N), make([]float64, a.N)}
	}
	if path != nil {
		f.x, f.value = be.Batch(a.N, a.Shape), be.Batch(a.N, a.Shape)
	}
	if p.Costs.tangents() {
		all := newProbes(p, a, p.Costs.probes(a.Shape)) // a flow's cotangents need them together
		f.along, f.tangents = all.along, all.tangents
	}
	if implicit(p.Solver.Method) && f.tangents == nil {
		f.tangents = []tensor.T{be.Batch(a.N, a.Shape)}
	}
	if p.Solver.Control == ode.BySample {
		f.plainDt = be.Plain(tensor.Of(1))
		for _, param := range p.Params {
			f.params = append(f.params, be.Plain(param.Shape))
		}
		if path == nil {
			f.value = be.Batch(a.N, a.Shape)
		}
	}
	return f
}

// Eval writes the derivatives; those of quadratures only if e.Quadrature is set, and of these not the ones that
// Accumulate integrates.
func (f *augmented) Eval(dst ode.State, s []float64, y ode.State, e ode.Evaluation) {
	l := f.layout
	value := f.value
	f.point = y
	if l.x >= 0 {
		value = dst[l.x]
	}
	f.evaluate(value, s, y)
	if !f.begun {
		f.begin(y[l.a], value)
	}
	want := nn.Cotangents{Dx: dst[l.a]}
	if e.Quadrature {
		clear(f.dt)
		want.Dt = f.dt
		if l.row > l.params && f.params == nil {
			want.Params = dst[l.params:l.row]
		}
	}
	into, weight := f.stages.target(e.Stage)
	if into != nil && f.bare() {
		want.Tap = f.stages.tap(into, weight)
	}
	f.adjoint(want, y[l.a], value, nil)
	if e.Quadrature && (f.plainDt.Shape.Rank == 0 || f.clock.span != nil) {
		f.be.Upload(dst[l.t], tensor.Buffer{F64: f.dt})
	}
	if l.x >= 0 {
		f.clock.scale(f.be, value)
	}
	for i := l.q; i < l.t; i++ {
		want := nn.Cotangents{Dx: dst[i]}
		if e.Quadrature && l.end > l.row {
			from := l.row + (i-l.q)*(l.row-l.params)
			want.Each = dst[from : from+l.row-l.params]
		}
		f.be.Combine(f.cotangent, minusOne, y[i:i+1]...)
		f.clock.scale(f.be, f.cotangent)
		f.field.VJP(want, f.cotangent)
	}
	if into != nil && !f.bare() {
		f.stages.add(into, weight, f.vectors(y))
	}
}

var minusOne = []float64{-1}

// linear is an augmented field without costs, for implicit methods: it knows its Jacobian.
type linear struct{ *augmented }

var _ ode.Linear = linear{}

// JVP writes the derivative of x', a' and q_i' at the last Eval along v: with u that of x,
//
//	F_x u      -F_x^T v_a - d/dx <a, F_x u>      -F_x^T v_q - d/dx <q, F_x u>
func (f linear) JVP(dst, v ode.State) {
	l := f.layout
	if l.x >= 0 {
		f.field.JVP(dst[l.x], nn.Direction{Dx: v[l.x]})
	}
	for i := l.a; i < l.t; i++ {
		want := nn.Cotangents{Dx: dst[i]}
		f.be.Combine(f.cotangent, minusOne, v[i:i+1]...)
		f.clock.scale(f.be, f.cotangent)
		if l.x < 0 {
			f.field.VJP(want, f.cotangent)
			continue
		}
		f.be.Combine(f.tangents[0], minusOne, f.point[i:i+1]...)
		f.clock.scale(f.be, f.tangents[0])
		f.field.PairVJP(want, tensor.T{}, f.cotangent, f.tangents[0])
	}
	if l.x >= 0 {
		f.clock.scale(f.be, dst[l.x])
	}
}

// evaluate runs the field at (s, y). It writes F to value where that is needed: in a backsolve, at t1, and for the
// kinetic cost.
func (f *augmented) evaluate(value tensor.T, s []float64, y ode.State) {
	times := f.clock.at(s)
	switch {
	case f.layout.x >= 0:
		f.field.Forward(value, times, y[f.layout.x])
	case !f.begun || f.costs.Kinetic != 0:
		f.path.at(f.x, s[0])
		f.field.Forward(value, times, f.x)
	default:
		f.path.at(f.x, s[0])
		f.field.Inputs(times, f.x)
	}
}

// adjoint writes what is wanted of -H_x, -H_theta, -H_t, times dt/ds and, unless it is nil, a weight for each sample.
func (f *augmented) adjoint(want nn.Cotangents, a, value tensor.T, weight []float64) {
	f.sum(f.cotangent, -1, a, -2*f.costs.Kinetic, value) // d||F||^2 = 2 F^T dF
	f.weigh(f.cotangent, weight)
	if !f.costs.tangents() {
		f.field.VJP(want, f.cotangent)
		return
	}
	f.field.JVPs(f.tangents, f.along)
	for p, tangent := range f.tangents {
		f.sum(tangent, -f.costs.Divergence, f.along[p].Dx, -2*f.costs.Jacobian, tangent) // d||F_x e||^2 = 2 (F_x e)^T d(F_x e)
		f.weigh(tangent, weight)
	}
	f.field.PairVJPs(want, nil, f.cotangent, f.tangents)
}

// sum writes dst = a x + b sigma y, where sigma is the sign of dt, of each sample its own if need be.
func (f *augmented) sum(dst tensor.T, a float64, x tensor.T, b float64, y tensor.T) {
	f.terms = [2]tensor.T{x, y}
	f.coef = [2]float64{a, b * f.clock.direction}
	if b == 0 || f.clock.span == nil {
		f.be.Combine(dst, f.coef[:], f.terms[:]...)
		return
	}
	for n := range f.rows[0] {
		f.rows[0][n], f.rows[1][n] = a, b*f.clock.signOf(n)
	}
	f.be.CombineEach(dst, f.rows[:], f.terms[:]...)
}

func (f *augmented) weigh(x tensor.T, weight []float64) {
	f.clock.scale(f.be, x)
	if weight != nil {
		f.weights[0] = weight
		f.be.CombineEach(x, f.weights, x)
	}
}

// begin takes <a, F> and <a, F> + l at t1.
func (f *augmented) begin(a, value tensor.T) {
	f.begun = true
	sum := make([]float64, a.N)
	f.be.Dot(sum, a, value)
	f.dphi = f.total(sum)
	product := make([]float64, a.N)
	add := func(weight float64, x, y tensor.T, sign func(n int) float64) {
		clear(product)
		f.be.Dot(product, x, y)
		for n, v := range product {
			sum[n] += weight * sign(n) * v
		}
	}
	if f.costs.Kinetic != 0 {
		add(f.costs.Kinetic, value, value, f.clock.signOf)
	}
	if f.costs.tangents() {
		f.field.JVPs(f.tangents, f.along)
		for p, tangent := range f.tangents {
			add(f.costs.Jacobian, tangent, tangent, f.clock.signOf)
			add(f.costs.Divergence, f.along[p].Dx, tangent, func(int) float64 { return 1 })
		}
	}
	f.dt1 = f.total(sum)
}

// total is the sum over the samples or, where they have intervals of their own, a copy.
func (f *augmented) total(by []float64) []float64 {
	if f.clock.span != nil {
		return append([]float64(nil), by...)
	}
	sum := []float64{0}
	for _, v := range by {
		sum[0] += v
	}
	return sum
}

// ownVectors says whether there are q_i beside a.
func (f *augmented) ownVectors() bool { return f.layout.t > f.layout.q }

// bare says whether the cotangent of the adjoint is -a, so that it can be sampled on the way.
func (f *augmented) bare() bool {
	return !f.ownVectors() && f.costs.weightless() && f.clock.span == nil
}

// tap shows the layers' inputs and the cotangents that a and, in a flow, the cotangent of the divergence have there.
func (f *augmented) tap(t nn.Tap, a tensor.T) {
	want := nn.Cotangents{Tap: t}
	if f.costs.Divergence == 0 {
		f.field.VJP(want, a)
		return
	}
	f.field.JVPs(f.tangents, f.along)
	for p, tangent := range f.tangents {
		f.be.Combine(tangent, []float64{f.costs.Divergence}, f.along[p].Dx)
	}
	f.field.PairVJPs(want, nil, a, f.tangents)
}

// vectors are the q_i, or a in their place where there are none.
func (f *augmented) vectors(y ode.State) []tensor.T {
	if f.ownVectors() {
		return y[f.layout.q:f.layout.t]
	}
	return y[f.layout.a : f.layout.a+1]
}

// Accumulate adds what one stage of steps of each sample's own size contributes to the integrals that are sums over
// samples: int H_t, unless the samples have intervals of their own, and Q_theta.
//
//	q += sum_n weight_n (derivative of sample n at (s_n, y_n))
func (f *augmented) Accumulate(q ode.State, s []float64, y ode.State, weight []float64) {
	f.evaluate(f.value, s, y)
	clear(f.dt)
	want := nn.Cotangents{Dt: f.dt}
	if len(f.params) > 0 {
		want.Params = f.params
	}
	f.adjoint(want, y[f.layout.a], f.value, weight)
	if f.clock.span == nil {
		f.be.Upload(f.plainDt, tensor.Buffer{F64: f.dt})
		f.be.Combine(q[0], []float64{1, 1}, q[0], f.plainDt)
		q = q[1:]
	}
	for i, grad := range f.params {
		f.be.Combine(q[i], []float64{1, 1}, q[i], grad)
	}
}
