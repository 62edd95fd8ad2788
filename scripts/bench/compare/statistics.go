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

// ratio compares medians, round by round: the median of the rounds' ratios and their limits.
type ratio struct {
	Value number `json:"value"`
	Min   number `json:"min"`
	Max   number `json:"max"`
}

// compareRounds is the ratio of ours to theirs: values by round, of as many rounds each, at least one.
func compareRounds(ours, theirs [][]float64) ratio {
	var single []float64
	for i := range ours {
		single = append(single, median(ours[i])/median(theirs[i]))
	}
	return ratio{Value: number(median(single)), Min: number(slices.Min(single)), Max: number(slices.Max(single))}
}

// differs says whether two losses disagree by more than tolerance, relative to the second; a NaN does.
func differs(a, b, tolerance float64) bool {
	return !(math.Abs(a-b) <= tolerance*math.Abs(b))
}
