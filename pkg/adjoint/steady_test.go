package adjoint_test

import (
	"runtime"
	"testing"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// steady is a convolutional ODE block on the fast backend, solved there and back.
type steady struct {
	be      *cpu.Backend
	chain   *nn.Chain
	values  []tensor.T
	samples int
	x, a    tensor.Buffer // on the host
	fail    func(args ...any)
}

func newSteady(t *testing.T, channels, side, samples int) *steady {
	conv := func(name string) nn.Spec {
		return nn.Spec{Type: "conv2d", Name: name, In: channels, Out: channels, Kernel: 3, Padding: 1, Time: true}
	}
	chain, err := nn.NewChain([]nn.Spec{conv("ode.a"), {Type: "tanh"}, conv("ode.b")}, tensor.Of(channels, side, side))
	if err != nil {
		t.Fatal(err)
	}
	size := samples * chain.In.Size()
	s := &steady{be: cpu.New(1), chain: chain, samples: samples, fail: t.Fatal,
		x: tensor.Buffer{F64: testkit.Normal(8, size)}, a: tensor.Buffer{F64: testkit.Normal(9, size)}}
	t.Cleanup(s.be.Close)
	for i, p := range chain.Params() {
		v := s.be.Plain(p.Shape)
		small := testkit.Normal(uint64(i), v.Size())
		for j := range small {
			small[j] /= 10
		}
		s.be.Upload(v, tensor.Buffer{F64: small})
		s.values = append(s.values, v)
	}
	return s
}

// batch solves from 0 to 1 and back, as the two stages do with a mini-batch, and gives back what it took of the arena. It
// returns the place of the last thing it took.
func (s *steady) batch(o ode.Options) *float32 {
	be := s.be
	mark := be.Mark()
	defer be.Release(mark)
	x, a := be.Batch(s.samples, s.chain.In), be.Batch(s.samples, s.chain.In)
	be.Upload(x, s.x)
	be.Upload(a, s.a)
	field := s.chain.Bind(be, s.samples, s.values)
	field.AllowVJP()
	end, _, err := ode.Solve(be, ode.Problem{Field: forwards{field}}, ode.State{x}, 0, 1, o, nil)
	if err != nil {
		s.fail(err)
	}
	grid := &adjoint.Grid{Step: 0.5, Into: adjoint.NewFactors(be, s.chain.Affine())}
	problem := &adjoint.Problem{Backend: be, Field: field, Params: s.chain.Params(), T0: 0, T1: 1, Solver: o}
	if _, err := adjoint.Differentiate(problem, x, end[0], a, adjoint.Want{Samples: grid}); err != nil {
		s.fail(err)
	}
	return &be.Plain(tensor.Of(1)).Buf.F32[0]
}

// forwards is a chain as a field.
type forwards struct{ chain *nn.Bound }

func (f forwards) Eval(dst ode.State, t []float64, y ode.State, _ ode.Evaluation) {
	f.chain.Forward(dst[0], t, y[0])
}

func TestMoreStepsDoNotAllocateMore(t *testing.T) {
	s := newSteady(t, 2, 3, 5)
	for _, method := range []string{"dopri5", "rk4", "euler"} {
		few, many := ode.Options{Method: method, Step: 0.25}, ode.Options{Method: method, Step: 0.0625}
		s.batch(many)
		a := testing.AllocsPerRun(3, func() { s.batch(few) })
		b := testing.AllocsPerRun(3, func() { s.batch(many) })
		if b > a {
			t.Errorf("%s: %g allocations in 4 steps, %g in 16", method, a, b)
		}
	}
}

func TestTheSecondMiniBatchTakesNoNewMemory(t *testing.T) {
	s := newSteady(t, 8, 12, 64)
	o := ode.Options{Method: "dopri5", RTol: 1e-3, ATol: 1e-3}
	place := s.batch(o)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	again := s.batch(o)
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 100<<10 {
		t.Errorf("the second mini-batch allocates %d KiB", taken>>10)
	}
	if again != place {
		t.Error("the second mini-batch lies elsewhere in the arena")
	}
}
