package adjoint_test

import (
	"slices"
	"testing"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/loss"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

type golden struct {
	Theta   []float64      `json:"theta"`
	X0      [][]float64    `json:"x0"`
	X1      [][]float64    `json:"x_t1"`
	Y       [][]float64    `json:"y"` // dPhi/dx(t1) per sample
	Q0      [][]float64    `json:"q_t0"`
	P       [][]float64    `json:"p"`
	DTh     []float64      `json:"dL_dtheta"`
	DX0     [][]float64    `json:"dL_dx0"`
	DT1     float64        `json:"dL_dt1"`
	Hessian [][]float64    `json:"hessian"`
	KronA   [2][][]float64 `json:"kron_A"`
	KronB   [2][][]float64 `json:"kron_B"`
}

func flat(rows [][]float64) []float64 { return slices.Concat(rows...) }

func download(be *ref.Backend, x tensor.T) []float64 {
	host := make([]float64, x.Size())
	be.Download(tensor.Buffer{F64: host}, x)
	return host
}

// small is the golden problem: four samples of three dimensions, a field of 38 parameters, softmax cross entropy of x(t1).
type small struct {
	golden
	be    *ref.Backend
	chain *nn.Chain
	adjoint.Problem
	x0, x1, y tensor.T // y = dPhi/dx(t1), per sample
}

const samples, dims, count = 4, 3, 38

func newSmall(t *testing.T) *small {
	s := &small{be: ref.New()}
	testkit.Golden(t, "mlp_ode", &s.golden)
	var err error
	s.chain, err = nn.NewChain([]nn.Spec{{Type: "linear", Name: "ode.a", In: 3, Out: 5}, {Type: "tanh"}, {Type: "linear", Name: "ode.b", In: 5, Out: 3}}, tensor.Of(dims))
	if err != nil {
		t.Fatal(err)
	}
	var values []tensor.T
	theta := s.Theta
	for _, p := range s.chain.Params() {
		v := s.be.Plain(p.Shape)
		s.be.Upload(v, tensor.Buffer{F64: theta[:v.Size()]})
		theta = theta[v.Size():]
		values = append(values, v)
	}
	bound := s.chain.Bind(s.be, samples, values)
	bound.AllowVJP()
	bound.AllowJVP()
	tight := ode.Options{Method: "dopri5", RTol: 1e-10, ATol: 1e-10}
	s.Problem = adjoint.Problem{Backend: s.be, Field: bound, Params: s.chain.Params(), Block: "ode", T0: 0, T1: 1, Forward: tight, Solver: tight}
	s.x0, s.x1, s.y = s.batch(s.X0), s.batch(s.X1), s.batch(s.golden.Y)
	return s
}

func (s *small) batch(rows [][]float64) tensor.T {
	b := s.be.Batch(len(rows), tensor.Of(len(rows[0])))
	s.be.Upload(b, tensor.Buffer{F64: flat(rows)})
	return b
}

// mean is a batch over the number of samples.
func (s *small) mean(x tensor.T) tensor.T {
	m := s.be.Batch(x.N, x.Shape)
	s.be.Combine(m, []float64{1. / samples}, x)
	return m
}

func (s *small) all(list []tensor.T) []float64 {
	var out []float64
	for _, x := range list {
		out = append(out, download(s.be, x)...)
	}
	return out
}

func (s *small) differentiate(t *testing.T, w adjoint.Want) adjoint.Gradient {
	t.Helper()
	g, err := adjoint.Differentiate(&s.Problem, s.x0, s.x1, s.mean(s.y), w)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGradientsOfEveryMethodAreTheGoldenOnes(t *testing.T) {
	s := newSmall(t)
	for _, s.Method = range adjoint.Methods {
		for _, s.SemiNorm = range []bool{false, true} {
			g := s.differentiate(t, adjoint.Want{})
			name := string(s.Method)
			testkit.Close(t, name+": dL/dtheta", s.all(g.Params), s.DTh, 1e-9, 1e-8)
			testkit.Close(t, name+": dL/dx0", download(s.be, g.Dx0), flat(s.DX0), 1e-9, 1e-8)
			testkit.Close(t, name+": <a, F>", g.DPhi, []float64{s.DT1}, 0, 1e-8)
			testkit.Close(t, name+": dL/dt1", g.Dt1, []float64{s.DT1}, 0, 1e-8)
			testkit.Close(t, name+": dL/dt0", g.Dt0, []float64{-s.DT1}, 0, 1e-7) // F does not depend on t
		}
	}
}

func TestFactorsOfEverySamplerAreTheGoldenOnes(t *testing.T) {
	s := newSmall(t)
	layers := s.chain.Affine()
	samplers := map[string]func(*adjoint.Factors) adjoint.Sampler{
		"grid":   func(f *adjoint.Factors) adjoint.Sampler { return &adjoint.Grid{Step: 0.001, Into: f} },
		"stages": func(f *adjoint.Factors) adjoint.Sampler { return &adjoint.Stages{Into: f, Layers: layers} },
	}
	for name, make := range samplers {
		for _, s.Method = range adjoint.Methods {
			for variant := range 4 {
				vectors := variant % 2
				s.Solver.Control = ode.Controls[0]
				if s.Method == adjoint.Backsolve {
					s.Solver.Control = ode.Controls[variant/2]
				}
				into, w := adjoint.NewFactors(s.be, layers), adjoint.Want{}
				if vectors == 1 {
					w.Vectors = []tensor.T{s.y}
				}
				w.Samples = make(into)
				s.differentiate(t, w)
				for i, l := range layers {
					what := name + " " + string(s.Method) + " of " + l.Name
					testkit.Close(t, "A by "+what, download(s.be, into.A[l]), flat(s.KronA[i]), 1e-6, 1e-4)
					testkit.Close(t, "B by "+what, download(s.be, into.B[l]), flat(s.KronB[i]), 1e-6, 1e-4)
				}
			}
		}
	}
}

func TestVectorsAndRowsAreTheGoldenOnes(t *testing.T) {
	s := newSmall(t)
	for _, s.Method = range adjoint.Methods {
		g := s.differentiate(t, adjoint.Want{Vectors: []tensor.T{s.y}, Rows: true})
		testkit.Close(t, "q(t0)", download(s.be, g.Vectors[0]), flat(s.Q0), 1e-9, 1e-8)
		testkit.Close(t, "p(t0)", s.rows(g.Rows), flat(s.P), 1e-9, 1e-8)
	}
}

// rows puts the rows of one vector together: [samples, count].
func (s *small) rows(list []tensor.T) []float64 {
	out := make([]float64, 0, samples*count)
	for n := range samples {
		for _, r := range list {
			size := r.Shape.Size()
			out = append(out, download(s.be, r)[n*size:(n+1)*size]...)
		}
	}
	return out
}

// exactFactor are the vectors of an exact factor of every sample's terminal Hessian, and that Hessian.
func (s *small) exactFactor() ([]tensor.T, tensor.T) {
	l, _ := loss.ByName("cross_entropy")
	rank := l.Rank(dims)
	host := make([][]float64, rank)
	for i := range host {
		host[i] = make([]float64, samples*dims)
	}
	curvature := make([]float64, samples*dims*dims)
	for n, x := range s.X1 {
		rows := make([][]float64, rank)
		for i := range rows {
			rows[i] = host[i][n*dims : (n+1)*dims]
		}
		l.Factor(rows, x)
		for _, r := range rows {
			for i := range r {
				for j := range r {
					curvature[(n*dims+i)*dims+j] += r[i] * r[j]
				}
			}
		}
	}
	var vectors []tensor.T
	for _, h := range host {
		v := s.be.Batch(samples, tensor.Of(dims))
		s.be.Upload(v, tensor.Buffer{F64: h})
		vectors = append(vectors, v)
	}
	xx := s.be.Batch(samples, tensor.Of(dims*dims))
	s.be.Upload(xx, tensor.Buffer{F64: curvature})
	return vectors, xx
}

func TestTheorem1WithAllTermsIsTheGoldenHessian(t *testing.T) {
	s := newSmall(t)
	_, xx := s.exactFactor()
	uu, _, err := adjoint.Theorem1(&s.Problem, s.x1, s.y, xx, true)
	if err != nil {
		t.Fatal(err)
	}
	s.be.Combine(uu, []float64{1. / samples}, uu)
	testkit.Close(t, "Q_uu", download(s.be, uu), flat(s.Hessian), 1e-6, 1e-6)
}

func TestLinearisedTheorem1IsTheSumOfTheRowsOfAnExactFactor(t *testing.T) {
	s := newSmall(t)
	vectors, xx := s.exactFactor()
	uu, _, err := adjoint.Theorem1(&s.Problem, s.x1, s.y, xx, false)
	if err != nil {
		t.Fatal(err)
	}
	g := s.differentiate(t, adjoint.Want{Vectors: vectors, Rows: true})
	want := make([]float64, count*count)
	for i := range vectors {
		p := s.rows(g.Rows[i*len(s.Params) : (i+1)*len(s.Params)])
		for n := range samples {
			row := p[n*count : (n+1)*count]
			for a := range row {
				for b := range row {
					want[a*count+b] += row[a] * row[b]
				}
			}
		}
	}
	testkit.Close(t, "Q_uu", download(s.be, uu), want, 1e-8, 1e-7)
}

func TestTheAdjointOfTheAdjointYieldsTheGoldenHessian(t *testing.T) {
	s := newSmall(t)
	g := s.differentiate(t, adjoint.Want{})
	vectors, _ := s.exactFactor()
	for column := range count {
		thetadot := s.unit(column)
		zero := s.be.Batch(samples, tensor.Of(dims))
		s.be.Combine(zero, nil)
		tangent, err := adjoint.Recurse(&s.Problem, g.X0, g.Dx0, zero, thetadot)
		if err != nil {
			t.Fatal(err)
		}
		change := s.be.Batch(samples, tensor.Of(dims)) // of a(t1): the loss's Hessian times that of x(t1), and what the backsolve adds
		s.be.Combine(change, []float64{1}, tangent.Extra)
		for _, v := range vectors {
			dot := make([]float64, samples)
			s.be.Dot(dot, v, tangent.X1)
			for n := range dot {
				dot[n] /= samples
			}
			s.be.CombineEach(change, [][]float64{ones(samples), dot}, change, v)
		}
		rest, err := adjoint.Differentiate(&s.Problem, s.x0, s.x1, change, adjoint.Want{})
		if err != nil {
			t.Fatal(err)
		}
		got, known := s.all(rest.Params), s.all(tangent.Params)
		want := make([]float64, count)
		for i := range got {
			got[i] += known[i]
			want[i] = s.Hessian[i][column]
		}
		testkit.Close(t, "column of the Hessian", got, want, 1e-6, 1e-6)
	}
}

func ones(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = 1
	}
	return all
}

// unit is the direction of one parameter.
func (s *small) unit(k int) []tensor.T {
	var list []tensor.T
	for _, p := range s.Params {
		host := make([]float64, p.Shape.Size())
		if k >= 0 && k < len(host) {
			host[k] = 1
		}
		k -= len(host)
		v := s.be.Plain(p.Shape)
		s.be.Upload(v, tensor.Buffer{F64: host})
		list = append(list, v)
	}
	return list
}
