package main

import (
	"math"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"one value", []float64{3}, 3},
		{"odd, not in order", []float64{9, 1, 4}, 4},
		{"even: the mean of both middles", []float64{8, 1, 2, 6}, 4},
		{"an outlier does not count", []float64{1, 2, 1000, 2, 2}, 2},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("%s: %g, expected %g", c.name, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("no values: %g, expected NaN", got)
	}
}

func TestRatioIsOfMediansOfTheSameRound(t *testing.T) {
	ours := [][]float64{{10, 12, 14}, {20, 22, 24}, {50}}
	theirs := [][]float64{{20, 24, 28}, {40, 88, 90}, {125}}
	got := compareRounds(ours, theirs)
	// 12/24, 22/88, 50/125
	if want := (ratio{Value: 0.4, Min: 0.25, Max: 0.5}); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}

func TestLossesDiffer(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b float64
		want bool
	}{
		{"within the tolerance", 2.0001, 2, false},
		{"beyond it", 2.001, 2, true},
		{"negative ones", -2.0001, -2, false},
		{"not a number", math.NaN(), 2, true},
		{"neither is a number", math.NaN(), math.NaN(), true},
	} {
		if got := differs(c.a, c.b, lossTolerance); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
