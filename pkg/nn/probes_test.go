package nn_test

import (
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

const probes = 3

// probe is the point with the i-th of the tangents under test: along everything, along x alone, and along nothing.
func (p point) probe(i int) point {
	switch i {
	case 0:
		return p.along(true, true, true)
	case 1:
		p.xdot = testkit.Normal(9, len(p.x))
	}
	return p
}

// probed is the pair of y and all tangents at the point with random cotangents, their s, and the bound chain that knows them.
func (p point) probed() (bound *nn.Bound, pair nn.Pair, s float64) {
	bound, y, x := p.bind()
	bound.AllowVJP()
	bound.AllowProbes(probes)
	size := samples * p.chain.Out.Size()
	cotangents := testkit.Normal(7, (1+probes)*size)
	pair = nn.Pair{Dy: p.batch(p.chain.Out, cotangents[:size])}
	var ydots []tensor.T
	for i := range probes {
		pair.Along = append(pair.Along, p.probe(i).direction())
		pair.Dydots = append(pair.Dydots, p.batch(p.chain.Out, cotangents[(1+i)*size:][:size]))
		pair.WantDots = append(pair.WantDots, p.be.Batch(samples, p.chain.In))
		ydots = append(ydots, p.be.Batch(samples, p.chain.Out))
	}
	bound.Forward(y, p.t, x)
	bound.JVPs(ydots, pair.Along)
	values := p.numbers(y)
	for _, ydot := range ydots {
		values = append(values, p.numbers(ydot)...)
	}
	return bound, pair, dot(cotangents, values)
}

func TestSeveralTangentsAreTheSumOfSingleOnes(t *testing.T) {
	for _, c := range chains {
		for name, times := range timesOf(samples) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				p := newPoint(t, c.specs, c.in, times)
				bound, pair, _ := p.probed()
				got := p.wanted()
				bound.PairVJPs(got, pair.WantDots, pair.Dy, pair.Dydots)

				sum := map[string][]float64{}
				add := func(what string, v []float64) {
					if sum[what] == nil {
						sum[what] = make([]float64, len(v))
					}
					for i := range v {
						sum[what][i] += v[i]
					}
				}
				for i := range probes {
					ydot, dxdot, dy := p.be.Batch(samples, p.chain.Out), p.be.Batch(samples, p.chain.In), pair.Dy
					if i > 0 {
						dy = tensor.T{}
					}
					bound.JVP(ydot, pair.Along[i])
					part := p.wanted()
					bound.PairVJP(part, dxdot, dy, pair.Dydots[i])
					testkit.Close(t, "dxdot", p.numbers(pair.WantDots[i]), p.numbers(dxdot), 1e-12, 1e-12)
					add("dx", p.numbers(part.Dx))
					add("dt", part.Dt)
					add("dparams", p.list(part.Params))
				}
				testkit.Close(t, "dx", p.numbers(got.Dx), sum["dx"], 1e-11, 1e-11)
				testkit.Close(t, "dt", got.Dt, sum["dt"], 1e-11, 1e-11)
				testkit.Close(t, "dparams", p.list(got.Params), sum["dparams"], 1e-11, 1e-11)

				onlyParams := nn.Cotangents{Params: p.plains(p.params)}
				bound, pair, _ = p.probed()
				bound.PairVJPs(onlyParams, nil, pair.Dy, pair.Dydots)
				testkit.Close(t, "dparams alone", p.list(onlyParams.Params), sum["dparams"], 1e-11, 1e-11)
			})
		}
	}
}

// The sum over samples and positions of the cotangent that a Tap gets is ds/db.
func TestTapOfAPairAgainstCentralDifferencesByTheBias(t *testing.T) {
	for _, c := range chains {
		p := newPoint(t, c.specs, c.in, []float64{0.7})
		bound, pair, _ := p.probed()
		bias := map[string][]float64{}
		bound.PairVJPs(nn.Cotangents{Tap: func(l *nn.Affine, z, g tensor.T, time []float64) {
			if z.N != samples || g.N != samples || g.Shape != l.Output() || len(time) != 1 || time[0] != 0.7 {
				t.Errorf("%s, %s: tap got z %v, g %v, time %v", c.name, l.Name, z.Shape, g.Shape, time)
			}
			sum, numbers := make([]float64, l.Geometry.Out), p.numbers(g)
			pixels := l.Output().Size() / len(sum)
			for i, v := range numbers {
				sum[i/pixels%len(sum)] += v
			}
			bias[l.Name] = sum
		}}, nil, pair.Dy, pair.Dydots)
		at := 0
		for _, param := range p.chain.Params() {
			lo := at
			at += param.Shape.Size()
			name, isBias := strings.CutSuffix(param.Name, ".bias")
			if !isBias {
				continue
			}
			value := func(v []float64) float64 {
				q := p
				q.params = slices.Concat(p.params[:lo], v, p.params[at:])
				_, _, s := q.probed()
				return s
			}
			want := testkit.Gradient(value, slices.Clone(p.params[lo:at]))
			testkit.Close(t, c.name+", "+param.Name, bias[name], want, 1e-7, 1e-6)
		}
		if got, want := len(bias), len(p.chain.Affine()); got != want {
			t.Errorf("%s: tap saw %d layers, want %d", c.name, got, want)
		}
	}
}

func TestWhatAPairDoesNotHave(t *testing.T) {
	p := newPoint(t, nil, tensor.Of(1), []float64{0})
	bound, y, x := p.bind()
	bound.Inputs(p.t, x)
	bound.JVP(y, nn.Direction{})
	for what, call := range map[string]func(){
		"a tap without dy": func() {
			bound.PairVJP(nn.Cotangents{Tap: func(*nn.Affine, tensor.T, tensor.T, []float64) {}}, tensor.T{}, tensor.T{}, y)
		},
		"each":                    func() { bound.PairVJP(nn.Cotangents{Each: []tensor.T{y}}, tensor.T{}, y, y) },
		"more tangents than JVPs": func() { bound.PairVJPs(nn.Cotangents{}, nil, y, []tensor.T{y, y}) },
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

// TestTangentsAlone gives JVPs no room but their own.
func TestTangentsAlone(t *testing.T) {
	for _, c := range chains {
		t.Run(c.name, func(t *testing.T) {
			p := newPoint(t, c.specs, c.in, []float64{0.7})
			var along []nn.Direction
			var want, got []tensor.T
			for i := range probes {
				along = append(along, p.probe(i).direction())
				want, got = append(want, p.be.Batch(samples, p.chain.Out)), append(got, p.be.Batch(samples, p.chain.Out))
			}
			for _, side := range []struct {
				ydots []tensor.T
				allow func(b *nn.Bound)
			}{{want, func(b *nn.Bound) { b.AllowProbes(probes) }}, {got, func(b *nn.Bound) { b.AllowJVPs(probes) }}} {
				bound, _, x := p.bind()
				side.allow(bound)
				bound.Inputs(p.t, x)
				bound.JVPs(side.ydots, along)
			}
			testkit.Close(t, "ydots", p.list(got), p.list(want), 0, 0)
		})
	}
}
