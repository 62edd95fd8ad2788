package pipeline_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// TestTheTrustRegionHolds trains at a rate fifty times that of the quickstart, at which training without it blows up.
func TestTheTrustRegionHolds(t *testing.T) {
	train := func(settings string) []float64 {
		dir := t.TempDir()
		run(t, dir, fmt.Sprintf("%s %s spirals run --lr=2.5 --eps=0.01 --freq=50 --steps=200 %s", script("train.sh"), script("models/spirals.toml"), settings))
		return logged(t, filepath.Join(dir, "run"), 200)
	}
	if losses := train(""); !(slices.Max(losses) > 10) {
		t.Errorf("without a trust region the loss stays below %g: the problem is too easy to show anything", slices.Max(losses))
	}
	if losses := train("--kl-clip=0.001"); !(slices.Max(losses) < 1 && mean(losses[150:]) < 0.2) {
		t.Errorf("the loss rises to %g and ends at %g", slices.Max(losses), mean(losses[150:]))
	}
}
