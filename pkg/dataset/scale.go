package dataset

import "math"

// scale is how values are standardised: (v - mean) / deviation.
type scale struct{ mean, deviation float64 }

// newScale is that of values, of which there are N:
//
//	mean = sum v / N,   deviation = sqrt(sum (v - mean)^2 / N)
//
// Values that are all the same, or none, keep their size: the deviation is 1.
func newScale(values []float64) scale {
	s := scale{0, 1}
	if len(values) == 0 {
		return s
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	s.mean = sum / float64(len(values))
	squares := 0.0
	for _, v := range values {
		squares += (v - s.mean) * (v - s.mean)
	}
	if squares > 0 {
		s.deviation = math.Sqrt(squares / float64(len(values)))
	}
	return s
}

// apply standardises a value; NaN stays.
func (s scale) apply(v float64) float64 { return (v - s.mean) / s.deviation }
