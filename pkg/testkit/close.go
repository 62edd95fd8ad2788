package testkit

import (
	"math"
	"testing"
)

// Close reports an error, naming what and the worst element, unless got and want have one length and
// |got - want| <= atol + rtol |want| holds for every element. Infinities are close to themselves only.
func Close(t testing.TB, what string, got, want []float64, atol, rtol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d elements, want %d", what, len(got), len(want))
		return
	}
	worst, worstExcess, wrong := -1, 0.0, 0
	for i := range want {
		if got[i] == want[i] {
			continue
		}
		excess := math.Abs(got[i]-want[i]) / (atol + rtol*math.Abs(want[i]))
		if math.IsNaN(excess) || math.IsInf(want[i], 0) {
			excess = math.Inf(1)
		}
		if excess <= 1 {
			continue
		}
		wrong++
		if excess > worstExcess {
			worst, worstExcess = i, excess
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d elements differ; worst is element %d: got %v, want %v, off by %.3g, %.3g times the tolerance",
			what, wrong, len(want), worst, got[worst], want[worst], math.Abs(got[worst]-want[worst]), worstExcess)
	}
}
