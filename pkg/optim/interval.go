package optim

import "math"

// interval is a range of numbers; the zero value is all finite ones.
type interval int

const (
	anywhere    interval = iota
	positive             // x > 0
	notNegative          // x >= 0
	inside               // 0 < x < 1
	fraction             // 0 <= x < 1
	share                // 0 < x <= 1
	fromOne              // x >= 1
)

func (i interval) contains(x float64) bool {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return false
	}
	return [...]bool{true, x > 0, x >= 0, 0 < x && x < 1, 0 <= x && x < 1, 0 < x && x <= 1, x >= 1}[i]
}

func (i interval) String() string {
	return [...]string{"finite", "above 0", "at least 0", "between 0 and 1", "at least 0 and below 1", "above 0 and at most 1", "at least 1"}[i]
}
