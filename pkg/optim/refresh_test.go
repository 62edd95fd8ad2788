package optim_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/kfac"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

func TestPeriods(t *testing.T) {
	cases := []struct {
		name, text       string
		wants, refreshes []int64 // below 40
	}{
		{"one period", "freq=15", []int64{0, 15, 30}, []int64{0, 15, 30}},
		{"a period that doubles", "freq=3\nfreq-growth=2", []int64{0, 3, 9, 21}, []int64{0, 3, 9, 21}},
		{"periods 4, 6, 9, 13", "freq=4\nfreq-growth=1.5", []int64{0, 4, 10, 19, 32}, []int64{0, 4, 10, 19, 32}},
		{"a period that doubles up to 10", "freq=3\nfreq-growth=2\nfreq-max=10", []int64{0, 3, 9, 19, 29, 39}, []int64{0, 3, 9, 19, 29, 39}},
		{"a period that leaps", "freq=3\nfreq-growth=1e300", []int64{0, 3}, []int64{0, 3}},
		{"factors more often", "freq=16\nfactor-freq=8\nfactor-decay=0.5", []int64{0, 8, 16, 24, 32}, []int64{0, 16, 32}},
		{"factors out of step", "freq=10\nfactor-freq=7\nfactor-decay=0.5", []int64{0, 7, 14, 21, 28, 35}, []int64{0, 10, 20, 30}},
		{"an average of the refreshes' factors", "freq=20\nfactor-decay=0.5", []int64{0, 20}, []int64{0, 20}},
		{"diagonals for a while", "optimizer=newton\nfreq=10\nfreq-growth=2", []int64{0, 10, 30}, []int64{0, 10, 30}},
		{"diagonals and factors", "group=fc.*=newton\nfreq=30", []int64{0, 30}, []int64{0, 30}},
		{"no preconditioning", "optimizer=sgd", nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newProblem(ref.New())
			o := p.optimizer(t, c.text)
			var wants, refreshes []int64
			for step := int64(0); step < 40; step++ {
				if o.Wants(step) {
					wants = append(wants, step)
				}
				if got := settings(t, c.text).Refreshes(step); got != slices.Contains(c.wants, step) {
					t.Errorf("the settings say %v of step %d", got, step)
				}
				report, err := o.Step(step, optim.Batch{Size: 16, Grads: p.grads(step), Factors: p.factors(step), Diagonals: p.diagonals(step)})
				if err != nil {
					t.Fatal(err)
				}
				if report.Refreshed > 0 {
					refreshes = append(refreshes, step)
				}
			}
			if !slices.Equal(wants, c.wants) || !slices.Equal(refreshes, c.refreshes) {
				t.Errorf("factors at %v, refreshes at %v", wants, refreshes)
			}
		})
	}
}

func TestPeriodsFarOut(t *testing.T) {
	s := settings(t, "freq=100\nfreq-growth=1.2\nfreq-max=1000")
	last := int64(0)
	for step := int64(1); step < 20000; step++ {
		if s.Refreshes(step) {
			if period := step - last; period > 1000 || step > 10000 && period != 1000 {
				t.Fatalf("%d steps up to the refresh at %d", period, step)
			}
			last = step
		}
	}
}

// An optimizer that averages goes the way of one that is given the averages.
func TestAverageOfTheFactors(t *testing.T) {
	const rho = 0.75
	averaging, given := newProblem(ref.New()), newProblem(ref.New())
	a := averaging.optimizer(t, "lr=0.1\nfreq=6\nfactor-freq=2\nfactor-decay=0.75")
	b := given.optimizer(t, "lr=0.1\nfreq=6")
	average := map[string][2][]float64{}
	for step := int64(0); step < 14; step++ {
		factors := averaging.factors(step)
		means := map[string]kfac.Factors{}
		for name, pair := range factors {
			old := average[name]
			next := [2][]float64{download(averaging.be, pair.A), download(averaging.be, pair.B)}
			for i, side := range []tensor.Shape{pair.A.Shape, pair.B.Shape} {
				if step > 0 {
					for j := range next[i] {
						next[i][j] = rho*old[i][j] + (1-rho)*next[i][j]
					}
				}
				if i == 0 {
					means[name] = kfac.Factors{A: given.upload(side, next[0])}
				} else {
					means[name] = kfac.Factors{A: means[name].A, B: given.upload(side, next[1])}
				}
			}
			if step%2 == 0 {
				average[name] = next
			}
		}
		averaging.step(t, a, step, factors)
		given.step(t, b, step, means)
		near(t, "parameters", averaging.values(), given.values(), 1e-10)
	}
}

// step is one with certain factors.
func (p *problem) step(t *testing.T, o *optim.Optimizer, step int64, factors map[string]kfac.Factors) optim.Report {
	t.Helper()
	report, err := o.Step(step, optim.Batch{Size: 16, Loss: p.loss(step), Grads: p.grads(step), Factors: factors})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAverageLeavesOutFactorsThatAreNotFinite(t *testing.T) {
	with, without := newProblem(ref.New()), newProblem(ref.New())
	const text = "freq=4\nfactor-freq=1\nfactor-decay=0.5"
	a, b := with.optimizer(t, text), without.optimizer(t, text)
	for step := int64(0); step < 6; step++ {
		good, bad := without.factors(step), with.factors(step)
		if step == 2 {
			delete(good, "fc")
			bad["fc"] = kfac.Factors{A: bad["fc"].A, B: with.upload(tensor.Of(4, 4), append(make([]float64, 15), math.NaN()))}
		}
		report := with.step(t, a, step, bad)
		without.step(t, b, step, good)
		if want := step == 2; (len(report.Warnings) == 1 && strings.Contains(report.Warnings[0], "fc")) != want {
			t.Errorf("step %d: warnings %v", step, report.Warnings)
		}
		same(t, "parameters", with.values(), without.values())
	}
}
