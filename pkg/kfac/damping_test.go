package kfac_test

import (
	"math"
	"math/rand"
	"testing"

	"gonum.org/v1/gonum/mat"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/kfac"
	"odepipe/pkg/testkit"
)

// refreshed is the basis of a layer's factors.
func refreshed(t *testing.T, be backend.Backend, l layer) *kfac.Eigenbasis {
	t.Helper()
	e := kfac.NewEigenbasis(be, l.out, l.fanIn, l.bias)
	if err := kfac.Refresh(be, []*kfac.Eigenbasis{e}, []kfac.Factors{l.factors(be)}, 1)[0]; err != nil {
		t.Fatal(err)
	}
	return e
}

// plus is x + d I.
func plus(x []float64, n int, d float64) *mat.Dense {
	m := mat.NewDense(n, n, append([]float64(nil), x...))
	for i := 0; i < n; i++ {
		m.Set(i, i, m.At(i, i)+d)
	}
	return m
}

// meanEigenvalue is the trace by the side.
func meanEigenvalue(x []float64, n int) float64 {
	return mat.Trace(mat.NewDense(n, n, x)) / float64(n)
}

// dampings are how the dense matrix is damped: by e I, and by delta_A I and delta_B I of the factors.
func dampings(l layer, eps, penalty float64) map[kfac.Damping]struct{ whole, a, b float64 } {
	meanA, meanB := meanEigenvalue(l.a, l.k()), meanEigenvalue(l.b, l.out)
	pi, fixed, relative := math.Sqrt(meanA/meanB), eps+penalty, eps*meanA*meanB+penalty
	return map[kfac.Damping]struct{ whole, a, b float64 }{
		kfac.Tikhonov: {fixed, math.Sqrt(fixed), math.Sqrt(fixed)},
		kfac.Split:    {0, pi * math.Sqrt(fixed), math.Sqrt(fixed) / pi},
		kfac.Relative: {relative, pi * math.Sqrt(relative), math.Sqrt(relative) / pi},
	}
}

func TestKroneckerFormIsTheInverseOfTheDampedFactors(t *testing.T) {
	const eps, penalty = 0.05, 0.02
	for name, be := range map[string]backend.Backend{"ref": ref.New(), "cpu": cpu.New(1)} {
		tolerance := map[string]float64{"ref": 1e-10, "cpu": 1e-3}[name]
		for _, l := range layers(rand.New(rand.NewSource(6))) {
			for damping, by := range dampings(l, eps, penalty) {
				e := refreshed(t, be, l)
				before := download(be, e.Scale)
				dst := l.gradient(be)
				e.Precondition(be, dst, l.gradient(be), kfac.Inversion{Kronecker: true, Damping: damping, Eps: eps, Penalty: penalty, Alpha: 0.5, Batch: 9})
				var left, want mat.Dense // (B + delta_B I)^-1 G (A + delta_A I)^-1
				if err := left.Solve(plus(l.b, l.out, by.b), mat.NewDense(l.out, l.k(), l.g)); err != nil {
					t.Fatal(err)
				}
				if err := want.Solve(plus(l.a, l.k(), by.a), left.T()); err != nil {
					t.Fatal(err)
				}
				what := name + ", " + l.name
				testkit.Close(t, what+": direction", l.joined(be, dst), mat.DenseCopyOf(want.T()).RawMatrix().Data, tolerance, tolerance)
				testkit.Close(t, what+": s", download(be, e.Scale), before, 0, 0)
			}
		}
	}
}

// With alpha = 1 the scale is that of the factors, so the corrected form is the inverse of a dense matrix too: of the
// damped Kronecker product for Split, of B (x) A + e I for the others.
func TestDampingOfTheCorrectedForm(t *testing.T) {
	const eps, penalty = 0.05, 0.02
	for _, l := range layers(rand.New(rand.NewSource(7))) {
		for damping, by := range dampings(l, eps, penalty) {
			be := ref.New()
			e, dst := refreshed(t, be, l), l.gradient(be)
			e.Precondition(be, dst, l.gradient(be), kfac.Inversion{Alpha: 1, Damping: damping, Eps: eps, Penalty: penalty})
			a, b := plus(l.a, l.k(), 0), plus(l.b, l.out, 0)
			if damping == kfac.Split {
				a, b = plus(l.a, l.k(), by.a), plus(l.b, l.out, by.b)
			}
			var curvature, want mat.Dense
			curvature.Kronecker(b, a)
			n := l.out * l.k()
			if err := want.Solve(plus(curvature.RawMatrix().Data, n, by.whole), mat.NewDense(n, 1, l.g)); err != nil {
				t.Fatal(err)
			}
			testkit.Close(t, l.name, l.joined(be, dst), want.RawMatrix().Data, 1e-10, 1e-10)
		}
	}
}

// Whatever the damping, Algorithm 2 moves the scale alike, and Relative follows the mean of what it has become.
func TestMovingScaleUnderEveryDamping(t *testing.T) {
	be, l := ref.New(), layers(rand.New(rand.NewSource(8)))[1]
	in := kfac.Inversion{Alpha: 0.5, Batch: 16, Eps: 0.1}
	reference := refreshed(t, be, l)
	reference.Precondition(be, l.gradient(be), l.gradient(be), in)
	scale := download(be, reference.Scale)
	for _, damping := range []kfac.Damping{kfac.Split, kfac.Relative} {
		e := refreshed(t, be, l)
		in.Damping = damping
		dst := l.gradient(be)
		e.Precondition(be, dst, l.gradient(be), in)
		testkit.Close(t, "s", download(be, e.Scale), scale, 0, 0)
		if damping != kfac.Relative {
			continue
		}
		mean := 0.0
		for _, v := range scale {
			mean += v / float64(len(scale))
		}
		want := l.gradient(be)
		reference.Precondition(be, want, want, kfac.Inversion{Alpha: 1, Eps: 0.1 * mean})
		testkit.Close(t, "direction", l.joined(be, dst), l.joined(be, want), 1e-12, 1e-12)
	}
}

func TestRelativeDampingOfALayerWithoutCurvature(t *testing.T) {
	be, l := ref.New(), layers(rand.New(rand.NewSource(9)))[1]
	l.b, l.g = make([]float64, len(l.b)), make([]float64, len(l.g))
	for _, kronecker := range []bool{false, true} {
		e, dst := refreshed(t, be, l), l.gradient(be)
		e.Precondition(be, dst, dst, kfac.Inversion{Kronecker: kronecker, Damping: kfac.Relative, Eps: 0.1, Alpha: 0.75, Batch: 4})
		testkit.Close(t, "direction", l.joined(be, dst), l.g, 0, 0)
	}
}

func TestCurvatureAlongADirection(t *testing.T) {
	for _, l := range layers(rand.New(rand.NewSource(10))) {
		be := ref.New()
		var curvature mat.Dense // vec(D)^T (B (x) A) vec(D)
		curvature.Kronecker(plus(l.b, l.out, 0), plus(l.a, l.k(), 0))
		d := mat.NewVecDense(len(l.g), l.g)
		want := mat.Inner(d, &curvature, d)
		testkit.Close(t, l.name, []float64{refreshed(t, be, l).Curvature(be, l.gradient(be))}, []float64{want}, 1e-12, 1e-12)
	}
}
