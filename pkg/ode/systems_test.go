package ode_test

import (
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

// systems are right-hand sides of one sample, under their names in the golden table and in testdata.
var systems = map[string]func(dst []float64, t float64, x []float64){
	"exp_decay":      func(dst []float64, _ float64, x []float64) { dst[0] = -2 * x[0] },
	"forced":         func(dst []float64, t float64, x []float64) { dst[0] = -x[0] + math.Sin(3*t) },
	"van_der_pol":    func(dst []float64, _ float64, x []float64) { dst[0], dst[1] = x[1], (1-x[0]*x[0])*x[1]-x[0] },
	"lotka_volterra": lotkaVolterra,
	"stiff_linear": func(dst []float64, _ float64, x []float64) {
		dst[0], dst[1], dst[2] = -x[0]+3*x[1], -3*x[0]-x[1], x[0]+2*x[1]-80*x[2]
	},
	"arenstorf": arenstorf,
	"zero":      func(dst []float64, _ float64, _ []float64) { dst[0] = 0 },
	"growth":    func(dst []float64, t float64, x []float64) { dst[0] = x[0] * math.Cos(t) },   // exp(sin t)
	"hyperbola": func(dst []float64, t float64, x []float64) { dst[0] = t / x[0] },             // sqrt(1 + t^2)
	"rational":  func(dst []float64, t float64, x []float64) { dst[0] = -2 * t * x[0] * x[0] }, // 1 / (1 + t^2)
}

func init() {
	systems["lotka_volterra_reverse"] = lotkaVolterra
	systems["arenstorf_half"] = arenstorf
}

func lotkaVolterra(dst []float64, _ float64, x []float64) {
	dst[0], dst[1] = 1.5*x[0]-x[0]*x[1], x[0]*x[1]-3*x[1]
}

func arenstorf(dst []float64, _ float64, x []float64) {
	const mu = 12277471e-9
	d1 := math.Pow((x[0]+mu)*(x[0]+mu)+x[1]*x[1], 1.5)
	d2 := math.Pow((x[0]-(1-mu))*(x[0]-(1-mu))+x[1]*x[1], 1.5)
	dst[0], dst[1] = x[2], x[3]
	dst[2] = x[0] + 2*x[3] - (1-mu)*(x[0]+mu)/d1 - mu*(x[0]-(1-mu))/d2
	dst[3] = x[1] - 2*x[2] - (1-mu)*x[1]/d1 - mu*x[1]/d2
}

// field runs a system on every sample of part 0 and, if part 1 is there, writes the sum of the squares of the first
// sample's x as its derivative.
type field struct {
	system      func(dst []float64, t float64, x []float64)
	evaluations int
}

func (f *field) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.evaluations++
	size := y[0].Shape.Size()
	for n := range max(y[0].N, 1) {
		f.system(dst[0].Buf.F64[n*size:][:size], t[min(n, len(t)-1)], y[0].Buf.F64[n*size:][:size])
	}
	if len(dst) == 1 {
		return
	}
	dst[1].Buf.F64[0] = math.NaN()
	if e.Quadrature {
		dst[1].Buf.F64[0] = 0
		for _, x := range y[0].Buf.F64[:size] {
			dst[1].Buf.F64[0] += x * x
		}
	}
}

// batch is a batch of n copies of a vector.
func batch(be *ref.Backend, n int, x []float64) tensor.T {
	t := be.Batch(n, tensor.Of(len(x)))
	for i := range t.Buf.F64 {
		t.Buf.F64[i] = x[i%len(x)]
	}
	return t
}

// solveSystem solves for one sample and fails the test on an error.
func solveSystem(t *testing.T, name string, x0 []float64, t0, t1 float64, o ode.Options, observe func(*ode.Dense)) ([]float64, ode.Stats) {
	t.Helper()
	be := ref.New()
	problem := ode.Problem{Field: &field{system: systems[name]}}
	end, stats, err := ode.Solve(be, problem, ode.State{batch(be, 1, x0)}, t0, t1, o, observe)
	if err != nil {
		t.Fatal(err)
	}
	return end[0].Buf.F64, stats
}

// steps is options for steps of one size by any method.
func steps(m ode.Scheme, size float64) ode.Options {
	o := ode.Options{Method: m.Name, Step: size}
	if m.Iterates {
		o.RTol, o.ATol = 1e-11, 1e-11
	}
	return o
}
