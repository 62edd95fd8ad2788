package main

import (
	"math"
	"slices"
)

// median is the middle of the values, the mean of both middles of an even number; NaN if there are none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio compares medians over all rounds, and says between what limits it was in single rounds.
type ratio struct {
	Value number `json:"value"`
	Min   number `json:"min"`
	Max   number `json:"max"`
}

// compareRounds is the ratio of ours to theirs: values by round.
func compareRounds(ours, theirs [][]float64) ratio {
	r := ratio{Value: number(median(slices.Concat(ours...)) / median(slices.Concat(theirs...))), Min: number(math.Inf(1)), Max: number(math.Inf(-1))}
	for i := range min(len(ours), len(theirs)) {
		single := number(median(ours[i]) / median(theirs[i]))
		r.Min, r.Max = min(r.Min, single), max(r.Max, single)
	}
	return r
}

// differs says whether two losses disagree by more than tolerance, relative to the second; a NaN does.
func differs(a, b, tolerance float64) bool {
	return !(math.Abs(a-b) <= tolerance*math.Abs(b))
}
