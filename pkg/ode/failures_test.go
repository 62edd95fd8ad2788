package ode_test

import (
	"errors"
	"math"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
)

func TestFailures(t *testing.T) {
	nan := math.NaN()
	adaptive := ode.Options{RTol: 1e-6, ATol: 1e-6}
	with := func(change func(*ode.Options)) ode.Options {
		o := adaptive
		change(&o)
		return o
	}
	explode := func(dst []float64, _ float64, x []float64) { dst[0] = x[0] * x[0] } // infinite at t = 1/x0
	undefined := func(dst []float64, t float64, _ []float64) { dst[0] = math.Sqrt(0.5 - t) }
	cases := map[string]struct {
		f      func(dst []float64, t float64, x []float64)
		x0     []float64 // of the samples
		o      ode.Options
		err    error
		sample int
		steps  int // of at least so many, is the number in the error
	}{
		"a state that is not finite":            {explode, []float64{1, nan, 1}, adaptive, ode.ErrNonFinite, 1, 1},
		"an infinite state":                     {systems["zero"], []float64{1, 1, math.Inf(1)}, adaptive, ode.ErrNonFinite, 2, 1},
		"a first evaluation that is not finite": {undefinedAt(1), []float64{2, 1}, adaptive, ode.ErrNonFinite, 1, 1},
		"the same with steps of one size":       {undefinedAt(1), []float64{2, 1}, ode.Options{Method: "rk4", Step: 0.1}, ode.ErrNonFinite, 1, 1},
		"a field undefined beyond a time":       {undefined, []float64{1, 1}, adaptive, ode.ErrNonFinite, 0, 2},
		"an infinity at a time inside":          {explode, []float64{0.1, 2}, adaptive, nil, -2, 10},
		"an infinity with steps of one size":    {explode, []float64{0.1, 2}, ode.Options{Method: "euler", Step: 1. / 64}, ode.ErrNonFinite, 1, 30},
		"a least step":                          {explode, []float64{0.1, 2}, with(func(o *ode.Options) { o.DtMin = 1e-3 }), ode.ErrStepUnderflow, -1, 2},
		"too many steps":                        {systems["forced"], []float64{1}, with(func(o *ode.Options) { o.MaxSteps = 3 }), ode.ErrTooManySteps, -1, 2},
		"too many steps of one size":            {systems["forced"], []float64{1}, ode.Options{Method: "rk4", Step: 1e-300}, ode.ErrTooManySteps, -1, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			y := be.Batch(len(c.x0), tensor.Of(1))
			copy(y.Buf.F64, c.x0)
			_, stats, err := ode.Solve(be, ode.Problem{Field: &field{system: c.f}, Block: "ode"}, ode.State{y}, 0, 2, c.o, nil)
			var where *ode.Error
			if !errors.As(err, &where) {
				t.Fatalf("got error %v", err)
			}
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			if !where.Numerical() {
				t.Errorf("%v is no numerical failure", err)
			}
			if c.sample != -2 && where.Sample != c.sample {
				t.Errorf("got sample %d, want %d", where.Sample, c.sample)
			}
			if where.Block != "ode" || where.Step < c.steps || where.Step != stats.Steps+1 || !(where.T >= 0 && where.T < 2) {
				t.Errorf("got %+v with %+v", where, stats)
			}
		})
	}
}

// undefinedAt is the field NaN where x is x0 and 0 elsewhere.
func undefinedAt(x0 float64) func(dst []float64, t float64, x []float64) {
	return func(dst []float64, _ float64, x []float64) {
		dst[0] = 0
		if x[0] == x0 {
			dst[0] = math.NaN()
		}
	}
}

// A norm that does not look at a part does not hide that it became NaN.
func TestSemiNormDoesNotHideNaN(t *testing.T) {
	be := ref.New()
	y := ode.State{batch(be, 2, []float64{1}), batch(be, 2, []float64{0})}
	p := ode.Problem{Field: poisoned{}, Quadrature: 1, Norm: ode.First(1), Block: "ode"}
	_, _, err := ode.Solve(be, p, y, 0, 1, ode.Options{RTol: 1e-3, ATol: 1e-3}, nil)
	if !errors.Is(err, ode.ErrNonFinite) {
		t.Errorf("got %v", err)
	}
}

// poisoned decays, and its quadrature is NaN from t = 0.1 on.
type poisoned struct{}

func (poisoned) Eval(dst ode.State, t []float64, y ode.State, e ode.Evaluation) {
	for i, x := range y[0].Buf.F64 {
		dst[0].Buf.F64[i] = -x
		dst[1].Buf.F64[i] = 0
		if t[0] > 0.1 {
			dst[1].Buf.F64[i] = math.NaN()
		}
	}
}

// A trial step that is not finite is halved, and the solve goes on.
func TestRecoversFromATrialStepThatIsNotFinite(t *testing.T) {
	f := func(dst []float64, t float64, x []float64) {
		dst[0] = -1 / math.Sqrt(1.1-t)
	}
	be := ref.New()
	o := ode.Options{RTol: 1e-8, ATol: 1e-8, FirstStep: 100}
	end, stats, err := ode.Solve(be, ode.Problem{Field: &field{system: f}}, ode.State{batch(be, 1, []float64{0})}, 0, 1, o, nil)
	if err != nil || stats.Rejected < 7 {
		t.Fatalf("got %+v, %v", stats, err)
	}
	if want := 2*math.Sqrt(0.1) - 2*math.Sqrt(1.1); !(math.Abs(end[0].Buf.F64[0]-want) <= 1e-6) {
		t.Errorf("got %v, want %v", end[0].Buf.F64[0], want)
	}
}

func TestOptionsThatNoSolveCanHonour(t *testing.T) {
	cases := map[string]struct {
		t1 float64
		o  ode.Options
	}{
		"an unknown method":                 {1, ode.Options{Method: "euler2", RTol: 1}},
		"no tolerance":                      {1, ode.Options{}},
		"a negative tolerance":              {1, ode.Options{RTol: -1, ATol: 1}},
		"a tolerance that is no number":     {1, ode.Options{RTol: math.NaN(), ATol: 1}},
		"a negative step":                   {1, ode.Options{Method: "rk4", Step: -0.1}},
		"an infinite first step":            {1, ode.Options{RTol: 1, FirstStep: math.Inf(1)}},
		"a first step of a fixed size":      {1, ode.Options{Method: "rk4", Step: 0.1, FirstStep: 0.1}},
		"a negative number of steps":        {1, ode.Options{RTol: 1, MaxSteps: -1}},
		"an end that is no number":          {math.NaN(), ode.Options{RTol: 1}},
		"an end at infinity":                {math.Inf(1), ode.Options{RTol: 1}},
		"no time, but an unknown method":    {0, ode.Options{Method: "euler2"}},
		"a negative largest step":           {1, ode.Options{RTol: 1, DtMax: -1}},
		"a largest step below the least":    {1, ode.Options{RTol: 1, DtMax: 0.1, DtMin: 0.2}},
		"a largest step of a fixed size":    {1, ode.Options{Method: "rk4", Step: 0.1, DtMax: 0.1}},
		"a controller of a fixed size":      {1, ode.Options{Method: "rk4", Step: 0.1, Controller: "pi"}},
		"a least step that is not a number": {1, ode.Options{RTol: 1, DtMin: math.NaN()}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			be := ref.New()
			f := &field{system: systems["zero"]}
			_, _, err := ode.Solve(be, ode.Problem{Field: f}, ode.State{batch(be, 1, []float64{1})}, 0, c.t1, c.o, nil)
			if !errors.Is(err, ode.ErrOptions) || f.evaluations != 0 {
				t.Errorf("got %v after %d evaluations", err, f.evaluations)
			}
		})
	}
}

func TestErrorMessage(t *testing.T) {
	cases := map[string]ode.Error{
		"block ode: t=0.31 h=1.2e-09 step 57, sample 12: state is not finite": {Block: "ode", T: 0.31, H: 1.2e-9, Step: 57, Sample: 12, Err: ode.ErrNonFinite},
		"t=-2 h=0.1 step 1: step size underflow":                              {T: -2, H: 0.1, Step: 1, Sample: -1, Err: ode.ErrStepUnderflow},
	}
	for want, e := range cases {
		if e.Error() != want {
			t.Errorf("got %q, want %q", e.Error(), want)
		}
	}
}

func TestABackendsErrorIsNoNumericalFailure(t *testing.T) {
	if e := (&ode.Error{Err: errors.New("device lost")}); e.Numerical() {
		t.Error("it is")
	}
}

func TestNorms(t *testing.T) {
	rms := []float64{0.5, 2, 3}
	if got := ode.Max(rms); got != 3 {
		t.Errorf("Max: got %v", got)
	}
	if got := ode.First(2)(rms); got != 2 {
		t.Errorf("First(2): got %v", got)
	}
	if got := ode.Max([]float64{math.NaN(), 1}); !math.IsNaN(got) {
		t.Errorf("Max hides a NaN: got %v", got)
	}
	if got := ode.Max([]float64{1, math.NaN()}); !math.IsNaN(got) {
		t.Errorf("Max hides a NaN: got %v", got)
	}
}
