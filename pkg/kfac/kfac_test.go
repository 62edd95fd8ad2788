package kfac_test

import (
	"errors"
	"math"
	"math/rand"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/eigen"
	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

func upload(be backend.Backend, shape tensor.Shape, values []float64) tensor.T {
	t := be.Plain(shape)
	be.Upload(t, tensor.Buffer{F64: values})
	return t
}

func download(be backend.Backend, t tensor.T) []float64 {
	host := tensor.Buffer{F64: make([]float64, t.Size())}
	be.Download(host, t)
	return host.F64
}

func normal(n int, rng *rand.Rand) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.NormFloat64()
	}
	return out
}

// gram is X^T X / samples for a normally distributed X [samples, side].
func gram(side, samples int, rng *rand.Rand) []float64 {
	x := mat.NewDense(samples, side, normal(samples*side, rng))
	var g mat.Dense
	g.Mul(x.T(), x)
	g.Scale(1/float64(samples), &g)
	return g.RawMatrix().Data
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= tolerance) {
			t.Errorf("%s[%d] = %.15g, want %.15g", what, i, got[i], want[i])
		}
	}
}

// layer is a layer's shapes and, as matrices, its gradient [Out, K] and factors.
type layer struct {
	name       string
	weight     tensor.Shape
	out, fanIn int
	bias       bool
	g, a, b    []float64
}

func (l layer) k() int {
	if l.bias {
		return l.fanIn + 1
	}
	return l.fanIn
}

// gradient uploads g in the parts that training has it in.
func (l layer) gradient(be backend.Backend) kfac.Gradient {
	k := l.k()
	var weight, bias []float64
	for o := 0; o < l.out; o++ {
		weight = append(weight, l.g[o*k:o*k+l.fanIn]...)
		bias = append(bias, l.g[o*k+l.fanIn:o*k+k]...)
	}
	g := kfac.Gradient{Weight: upload(be, l.weight, weight)}
	if l.bias {
		g.Bias = upload(be, tensor.Of(l.out), bias)
	}
	return g
}

// joined is the inverse of gradient.
func (l layer) joined(be backend.Backend, g kfac.Gradient) []float64 {
	weight, bias := download(be, g.Weight), []float64(nil)
	if l.bias {
		bias = download(be, g.Bias)
	}
	var out []float64
	for o := 0; o < l.out; o++ {
		out = append(out, weight[o*l.fanIn:(o+1)*l.fanIn]...)
		if l.bias {
			out = append(out, bias[o])
		}
	}
	return out
}

func (l layer) factors(be backend.Backend) kfac.Factors {
	return kfac.Factors{A: upload(be, tensor.Of(l.k(), l.k()), l.a), B: upload(be, tensor.Of(l.out, l.out), l.b)}
}

func layers(rng *rand.Rand) []layer {
	out := []layer{
		{name: "linear", weight: tensor.Of(3, 4), out: 3, fanIn: 4},
		{name: "linear with bias", weight: tensor.Of(4, 3), out: 4, fanIn: 3, bias: true},
		{name: "one by one with bias", weight: tensor.Of(1, 1), out: 1, fanIn: 1, bias: true},
		{name: "convolution", weight: tensor.Of(2, 2, 2, 2), out: 2, fanIn: 8},
		{name: "convolution with bias", weight: tensor.Of(3, 1, 3, 3), out: 3, fanIn: 9, bias: true},
	}
	for i := range out {
		l := &out[i]
		l.g = normal(l.out*l.k(), rng)
		l.a, l.b = gram(l.k(), 2*l.k(), rng), gram(l.out, l.out+1, rng)
	}
	return out
}

func TestPreconditionIsTheDampedInverse(t *testing.T) {
	const eps = 0.05
	for _, l := range layers(rand.New(rand.NewSource(1))) {
		t.Run(l.name, func(t *testing.T) {
			be := ref.New()
			e := kfac.NewEigenbasis(be, l.out, l.fanIn, l.bias)
			if err := kfac.Refresh(be, []*kfac.Eigenbasis{e}, []kfac.Factors{l.factors(be)}, 1)[0]; err != nil {
				t.Fatal(err)
			}
			g, dst := l.gradient(be), l.gradient(be)
			e.Precondition(be, dst, g, kfac.Inversion{Alpha: 1, Batch: 128, Eps: eps})

			k := l.k()
			var curvature, want mat.Dense // (B (x) A + eps I)^-1 vec G
			curvature.Kronecker(mat.NewDense(l.out, l.out, l.b), mat.NewDense(k, k, l.a))
			for i := 0; i < l.out*k; i++ {
				curvature.Set(i, i, curvature.At(i, i)+eps)
			}
			if err := want.Solve(&curvature, mat.NewDense(l.out*k, 1, l.g)); err != nil {
				t.Fatal(err)
			}
			near(t, "direction", l.joined(be, dst), want.RawMatrix().Data, 1e-10)
			near(t, "gradient", l.joined(be, g), l.g, 0)
			e.Precondition(be, g, g, kfac.Inversion{Alpha: 1, Batch: 128, Eps: eps})
			near(t, "direction in place", l.joined(be, g), want.RawMatrix().Data, 1e-10)
		})
	}
}

func TestMovingScale(t *testing.T) {
	const alpha, batch, eps = 0.75, 32, 0.1
	rng := rand.New(rand.NewSource(2))
	for _, l := range layers(rng) {
		t.Run(l.name, func(t *testing.T) {
			be := ref.New()
			e := kfac.NewEigenbasis(be, l.out, l.fanIn, l.bias)
			kfac.Refresh(be, []*kfac.Eigenbasis{e}, []kfac.Factors{l.factors(be)}, 1)
			k := l.k()
			ua := mat.NewDense(k, k, append(download(be, e.Weight), bias(be, e)...))
			ub := mat.NewDense(l.out, l.out, download(be, e.Output))
			s := download(be, e.Scale)
			for step := 0; step < 4; step++ {
				l.g = normal(l.out*k, rng)
				var inBasis, back mat.Dense
				inBasis.Mul(mat.NewDense(l.out, k, l.g), ua)
				inBasis.Mul(ub.T(), &inBasis)
				for i, v := range inBasis.RawMatrix().Data {
					s[i] = alpha*s[i] + (1-alpha)*batch*v*v
					inBasis.RawMatrix().Data[i] = v / (s[i] + eps)
				}
				back.Mul(&inBasis, ua.T())
				back.Mul(ub, &back)
				dst := l.gradient(be)
				e.Precondition(be, dst, l.gradient(be), kfac.Inversion{Alpha: alpha, Batch: batch, Eps: eps})
				near(t, "direction", l.joined(be, dst), back.RawMatrix().Data, 1e-11)
				near(t, "scale", download(be, e.Scale), s, 1e-11)
			}
		})
	}
}

func bias(be backend.Backend, e *kfac.Eigenbasis) []float64 {
	if e.Bias.Shape.Rank == 0 {
		return nil
	}
	return download(be, e.Bias)
}

// Every combination of images, cotangent vectors and signs of the cotangent at each position: exactly the assumptions
// of the Kronecker approximation of a convolution, so the second moment of the per-sample gradients must be B (x) A.
func TestPairOfAConvolutionNeedsNoFurtherFactor(t *testing.T) {
	const positions = 3
	geometry := backend.Conv{In: 2, Out: 2, H: 1, W: positions, Kernel: 1, Stride: 1, Bias: true}
	k, out := geometry.GramSize(), geometry.Out
	rng := rand.New(rand.NewSource(3))
	be := ref.New()
	a, b := make([]float64, k*k), make([]float64, out*out)
	moment := mat.NewDense(out*k, out*k, nil)
	samples := 0.0
	add := func(sum []float64, gram tensor.T, scale float64) {
		for i, v := range download(be, gram) {
			sum[i] += v * scale
		}
	}
	cotangents := [][]float64{normal(out, rng), normal(out, rng)}
	for image := 0; image < 3; image++ {
		x := be.Batch(1, tensor.Of(2, 1, positions))
		be.Upload(x, tensor.Buffer{F64: normal(2*positions, rng)})
		for _, v := range cotangents {
			for signs := 0; signs < 1<<positions; signs++ {
				host := make([]float64, out*positions)
				for o := range v {
					for p := 0; p < positions; p++ {
						host[o*positions+p] = v[o] * float64(signs>>p&1*2-1)
					}
				}
				g := be.Batch(1, tensor.Of(out, 1, positions))
				be.Upload(g, tensor.Buffer{F64: host})
				gramA, gramB := be.Plain(tensor.Of(k, k)), be.Plain(tensor.Of(out, out))
				be.PatchGram(gramA, geometry, x, []float64{0})
				be.CotangentGram(gramB, geometry, g)
				add(a, gramA, 1)
				add(b, gramB, 1.0/positions)

				dw, gsum, db := be.Plain(tensor.Of(out, 2, 1, 1)), be.Plain(tensor.Of(1, positions, out)), be.Plain(tensor.Of(out))
				be.ConvGrad(dw, geometry, g, x)
				be.SumBatch(gsum, g, nil)
				be.BiasImageGrad(dw, db, geometry, gsum, 0)
				w, c := download(be, dw), download(be, db)
				sample := mat.NewVecDense(out*k, []float64{w[0], w[1], c[0], w[2], w[3], c[1]})
				moment.RankOne(moment, 1, sample, sample)
				samples++
			}
		}
	}
	var product mat.Dense
	product.Kronecker(mat.NewDense(out, out, b), mat.NewDense(k, k, a))
	product.Scale(1/(samples*samples), &product)
	moment.Scale(1/samples, moment)
	near(t, "B (x) A", product.RawMatrix().Data, moment.RawMatrix().Data, 1e-12)
}

func TestFactorsThatCannotBeUsedKeepTheBasis(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	l := layers(rng)[1]
	spoil := func(which []float64, i int, v float64) []float64 {
		out := slices.Clone(which)
		out[i] = v
		return out
	}
	cases := []struct {
		name string
		a, b []float64
		want error
	}{
		{"not a number in A", spoil(l.a, 5, math.NaN()), l.b, eigen.ErrNonFinite},
		{"infinity in B", l.a, spoil(l.b, 0, math.Inf(1)), eigen.ErrNonFinite},
		{"negative variance", spoil(l.a, 0, -1), l.b, kfac.ErrIndefinite},
		{"scale beyond the element type", scaled(l.a, 1e200), scaled(l.b, 1e200), eigen.ErrNonFinite},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			be := ref.New()
			good, bad := kfac.NewEigenbasis(be, l.out, l.fanIn, l.bias), kfac.NewEigenbasis(be, l.out, l.fanIn, l.bias)
			both := []*kfac.Eigenbasis{bad, good}
			kfac.Refresh(be, both, []kfac.Factors{l.factors(be), l.factors(be)}, 2)
			weight, scale := download(be, bad.Weight), download(be, bad.Scale)

			spoilt, other := l, l
			spoilt.a, spoilt.b = c.a, c.b
			other.a = gram(l.k(), 9, rng)
			errs := kfac.Refresh(be, both, []kfac.Factors{spoilt.factors(be), other.factors(be)}, 2)
			if !errors.Is(errs[0], c.want) || errs[1] != nil {
				t.Errorf("errors %v, want %v for the first alone", errs, c.want)
			}
			near(t, "kept U_A", download(be, bad.Weight), weight, 0)
			near(t, "kept s", download(be, bad.Scale), scale, 0)
			if slices.Equal(download(be, good.Scale), scale) {
				t.Error("the good layer was not refreshed")
			}
		})
	}
}

func scaled(x []float64, by float64) []float64 {
	out := slices.Clone(x)
	for i := range out {
		out[i] *= by
	}
	return out
}

func TestRoundingErrorsInFactorsAreForgiven(t *testing.T) {
	be := ref.New()
	e := kfac.NewEigenbasis(be, 1, 2, false)
	f := kfac.Factors{A: upload(be, tensor.Of(2, 2), []float64{1, 1e-3 + 1e-9, 1e-3, 1e-9}), B: upload(be, tensor.Of(1, 1), []float64{-1e-12})}
	if err := kfac.Refresh(be, []*kfac.Eigenbasis{e}, []kfac.Factors{f}, 1)[0]; !errors.Is(err, kfac.ErrIndefinite) {
		t.Errorf("a factor without a positive eigenvalue: error %v", err)
	}
	be.Upload(f.B, tensor.Buffer{F64: []float64{2}})
	if err := kfac.Refresh(be, []*kfac.Eigenbasis{e}, []kfac.Factors{f}, 1)[0]; err != nil {
		t.Fatal(err)
	}
	if s := download(be, e.Scale); s[0] != 0 || !(math.Abs(s[1]-2*(1+1e-6)) <= 1e-8) {
		t.Errorf("scale %v: the eigenvalue below zero must count as zero", s)
	}
}

func TestOfAFactorTheSymmetricPartCounts(t *testing.T) {
	be := ref.New()
	e := kfac.NewEigenbasis(be, 1, 2, false)
	f := kfac.Factors{A: upload(be, tensor.Of(2, 2), []float64{2, 0.5, 1.5, 2}), B: upload(be, tensor.Of(1, 1), []float64{1})}
	if err := kfac.Refresh(be, []*kfac.Eigenbasis{e}, []kfac.Factors{f}, 1)[0]; err != nil {
		t.Fatal(err)
	}
	near(t, "s", download(be, e.Scale), []float64{1, 3}, 1e-14)
}

func TestThreadsDoNotChangeTheBasis(t *testing.T) {
	const count = 5
	var want []float64
	for _, threads := range []int{0, 1, 2, 16} {
		be, rng := ref.New(), rand.New(rand.NewSource(5))
		var bases []*kfac.Eigenbasis
		var factors []kfac.Factors
		for i := 0; i < count; i++ {
			l := layer{out: 3 + 20*i, fanIn: 70 - 10*i, bias: i%2 == 0}
			l.a, l.b = gram(l.k(), 40, rng), gram(l.out, 60, rng)
			bases = append(bases, kfac.NewEigenbasis(be, l.out, l.fanIn, l.bias))
			factors = append(factors, l.factors(be))
		}
		if err := errors.Join(kfac.Refresh(be, bases, factors, threads)...); err != nil {
			t.Fatal(err)
		}
		var got []float64
		for _, e := range bases {
			got = append(append(append(got, download(be, e.Weight)...), download(be, e.Output)...), download(be, e.Scale)...)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d threads give another basis than 0", threads)
		}
	}
}
