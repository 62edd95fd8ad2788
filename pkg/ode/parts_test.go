package ode_test

import (
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// mixed has four parts of different kinds, the last two quadratures:
//
//	x  batch of images [1, 1, 2]   x' = -x
//	p  plain [3]                   p' = t
//	u  batch of scalars []         u' = sum_d x_d^2, of each sample
//	v  plain []                    v' = sum of p
type mixed struct {
	evaluations, skipped int
	parts                map[int]bool // the lengths of y that Eval has seen
}

func (f *mixed) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	f.evaluations++
	f.parts[len(y)] = true
	for i, x := range y[0].Buf.F64 {
		dst[0].Buf.F64[i] = -x
	}
	for i := range dst[1].Buf.F64 {
		dst[1].Buf.F64[i] = t[0]
	}
	if !e.Quadrature {
		f.skipped++
		dst[2].Buf.F64[0], dst[3].Buf.F64[0] = math.NaN(), math.NaN() // nobody reads them
		return
	}
	for n := range dst[2].Buf.F64 {
		a, b := y[0].Buf.F64[2*n], y[0].Buf.F64[2*n+1]
		dst[2].Buf.F64[n] = a*a + b*b
	}
	dst[3].Buf.F64[0] = sum(y[1].Buf.F64)
}

func TestPartsOfDifferentKinds(t *testing.T) {
	for _, m := range ode.Methods {
		t.Run(m.Name, func(t *testing.T) {
			be := ref.New()
			y := ode.State{batch(be, 3, []float64{1, 2}).Reshaped(tensor.Of(1, 1, 2)), be.Plain(tensor.Of(3)), be.Batch(3, tensor.Of()), be.Plain(tensor.Of())}
			copy(y[1].Buf.F64, []float64{0, 1, 2})
			clear(y[2].Buf.F64)
			clear(y[3].Buf.F64)
			f := &mixed{parts: map[int]bool{}}
			o, tolerance := ode.Options{Method: m.Name, RTol: 1e-9, ATol: 1e-9}, 1e-7
			if !m.Adaptive() {
				o.Step = 1. / 512
			}
			if m.Order > 5 {
				o.DtMax = 0.02 // its dense output is of order 4
			}
			switch m.Order {
			case 1:
				tolerance = 1e-2
			case 2:
				tolerance = 1e-5
			}
			if m.Name == "kvaerno5" {
				tolerance = 1e-6 // its steps are long for the Hermite polynomial
			}
			const t1 = 0.7
			end, stats, err := ode.Solve(be, ode.Problem{Field: f, Quadrature: 2}, y, 0, t1, o, checkIntegrals(t, be, tolerance))
			if err != nil {
				t.Fatal(err)
			}
			decay := math.Exp(-t1)
			testkit.Close(t, "x", end[0].Buf.F64, []float64{decay, 2 * decay, decay, 2 * decay, decay, 2 * decay}, tolerance, 0)
			testkit.Close(t, "p", end[1].Buf.F64, []float64{t1 * t1 / 2, 1 + t1*t1/2, 2 + t1*t1/2}, tolerance, 0)
			u := 5 * (1 - decay*decay) / 2
			testkit.Close(t, "u", end[2].Buf.F64, []float64{u, u, u}, tolerance, 0)
			testkit.Close(t, "v", end[3].Buf.F64, []float64{3*t1 + t1*t1*t1/2}, tolerance, 0)
			if end[0].Shape != y[0].Shape || end[0].N != 3 || end[1].N != 0 || end[2].N != 3 {
				t.Error("shapes changed")
			}
			if len(f.parts) != 1 || !f.parts[2] {
				t.Errorf("Eval saw states of %v parts, want 2 only", f.parts)
			}
			wantSkipped := 0
			switch m.Name {
			case "dopri5", "heun3":
				wantSkipped = stats.Steps + stats.Rejected // stage 2
			case "dopri8":
				wantSkipped = 4 * (stats.Steps + stats.Rejected) // stages 2 to 5
			}
			if f.skipped != wantSkipped && !m.Iterates {
				t.Errorf("%d of %d evaluations without quadrature, want %d", f.skipped, f.evaluations, wantSkipped)
			}
		})
	}
}

// checkIntegrals asks the dense output for the quadratures alone, inside a step.
func checkIntegrals(t *testing.T, be *ref.Backend, tolerance float64) func(*ode.Dense) {
	u := be.Batch(3, tensor.Of())
	return func(d *ode.Dense) {
		at := d.From + 0.3*(d.To-d.From)
		d.At(ode.State{{}, {}, u}, at)
		want := 5 * (1 - math.Exp(-2*at)) / 2
		testkit.Close(t, "u inside a step", u.Buf.F64, []float64{want, want, want}, tolerance, 0)
	}
}

// With the semi-norm of the first part the integral costs no steps: they are those of the part alone.
func TestSemiNorm(t *testing.T) {
	be := ref.New()
	o := ode.Options{RTol: 1e-6, ATol: 1e-6}
	alone := ode.Problem{Field: &field{system: systems["van_der_pol"]}}
	_, want, err := ode.Solve(be, alone, ode.State{batch(be, 2, []float64{2, 0})}, 0, 5, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	integral := be.Plain(tensor.Of())
	integral.Buf.F64[0] = 0
	both := ode.Problem{Field: &field{system: systems["van_der_pol"]}, Quadrature: 1, Norm: ode.First(1)}
	_, got, err := ode.Solve(be, both, ode.State{batch(be, 2, []float64{2, 0}), integral}, 0, 5, o, nil)
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestMoreQuadraturesThanPartsIsOurBug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	be := ref.New()
	ode.Solve(be, ode.Problem{Field: &field{}, Quadrature: 2}, ode.State{batch(be, 1, []float64{1})}, 0, 1, ode.Options{RTol: 1}, nil)
}
