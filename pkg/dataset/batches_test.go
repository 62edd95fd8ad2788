package dataset_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"odepipe/pkg/dataset"
)

// rows lists the rows of a step, copied.
func rows(t *testing.T, p dataset.Plan, step int64) []int64 {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	got, _ := dataset.NewOrder(p).Step(nil, step)
	return slices.Clone(got)
}

func TestEpochVisitsEveryRowOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 255, 256, 257, 1000, 10007} {
		for _, shuffle := range []bool{false, true} {
			p := dataset.Plan{Rows: n, Batch: min(n, 6), Seed: 5, Shuffle: shuffle, KeepRest: true}
			order := dataset.NewOrder(p)
			for epoch := range int64(2) {
				seen := make([]bool, n)
				var index []int64
				for k := range p.PerEpoch() {
					var e int32
					if index, e = order.Step(index, epoch*p.PerEpoch()+k); int64(e) != epoch {
						t.Fatalf("n %d step %d: epoch %d, want %d", n, k, e, epoch)
					}
					for _, i := range index {
						if seen[i] {
							t.Fatalf("n %d epoch %d: row %d twice", n, epoch, i)
						}
						seen[i] = true
					}
				}
				if slices.Contains(seen, false) {
					t.Errorf("n %d epoch %d: a row is missing", n, epoch)
				}
			}
		}
	}
}

func TestStepIsAPureFunction(t *testing.T) {
	p := dataset.Plan{Rows: 1000, Batch: 10, Seed: 1, Shuffle: true}
	order := dataset.NewOrder(p)
	var index []int64
	for _, step := range []int64{250, 3, 99, 100, 3, 1 << 40} {
		if index, _ = order.Step(index, step); !slices.Equal(index, rows(t, p, step)) {
			t.Errorf("step %d depends on the steps before it", step)
		}
	}
	other := p
	other.Seed = 2
	if slices.Equal(rows(t, p, 0), rows(t, other, 0)) {
		t.Error("another seed gives the same order")
	}
	if slices.Equal(rows(t, p, 0), rows(t, p, 100)) {
		t.Error("the second epoch has the order of the first")
	}
}

// The order is part of what a seed means: a change of it changes every run that was ever recorded.
func TestOrderStaysWhatItIs(t *testing.T) {
	p := dataset.Plan{Rows: 60000, Batch: 8, Seed: 0, Shuffle: true}
	golden := []int64{783, 20530, 20584, 3733, 46644, 55800, 4433, 6400}
	if got := rows(t, p, 0); !slices.Equal(got, golden) {
		t.Errorf("first rows of seed 0 are %v, want %v", got, golden)
	}
	p.Shuffle = false
	if got := rows(t, p, 1); !slices.Equal(got, []int64{8, 9, 10, 11, 12, 13, 14, 15}) {
		t.Errorf("unshuffled rows are %v", got)
	}
}

// Every order of a small set must be as likely as any other, and so must be every place of a row in a larger one.
// Bounds are the chi-square distribution's mean plus five standard deviations.
func TestOrdersAreUniform(t *testing.T) {
	for _, n := range []int{2, 3, 4, 5} {
		const trials = 24_000
		count := map[[5]int64]int{}
		for seed := range uint64(trials) {
			var key [5]int64
			copy(key[:], rows(t, dataset.Plan{Rows: n, Batch: n, Seed: seed, Shuffle: true}, 0))
			count[key]++
		}
		cells := 1
		for i := 2; i <= n; i++ {
			cells *= i
		}
		if len(count) != cells {
			t.Fatalf("n %d: %d orders of %d occur", n, len(count), cells)
		}
		checkChi(t, n, slices.Collect(values(count)), trials)
	}
	const n, trials = 300, 12_000
	place := make([]int, n)
	for epoch := range int64(trials) {
		place[rows(t, dataset.Plan{Rows: n, Batch: n, Seed: 9, Shuffle: true}, epoch)[7]]++
	}
	checkChi(t, n, place, trials)
}

func values[K comparable](m map[K]int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func checkChi(t *testing.T, n int, count []int, trials float64) {
	t.Helper()
	expected, chi := trials/float64(len(count)), 0.0
	for _, c := range count {
		d := float64(c) - expected
		chi += d * d / expected
	}
	freedom := float64(len(count) - 1)
	if !(chi <= freedom+5*math.Sqrt(2*freedom)) {
		t.Errorf("n %d: chi-square %.1f with %.0f degrees of freedom", n, chi, freedom)
	}
}

func TestShardsMakeUpTheWhole(t *testing.T) {
	whole := dataset.Plan{Rows: 1000, Batch: 12, Seed: 3, Shuffle: true, KeepRest: true}
	for step := range whole.PerEpoch() {
		var joined []int64
		for shard := range 4 {
			part := whole
			part.Shard, part.Shards = shard, 4
			joined = append(joined, rows(t, part, step)...)
		}
		if !slices.Equal(joined, rows(t, whole, step)) {
			t.Fatalf("step %d: the shards' rows are %v", step, joined)
		}
	}
}

func TestPlan(t *testing.T) {
	tests := []struct {
		name     string
		plan     dataset.Plan
		perEpoch int64 // 0: not possible
	}{
		{"the rest is dropped", dataset.Plan{Rows: 10, Batch: 4}, 2},
		{"the rest is kept", dataset.Plan{Rows: 10, Batch: 4, KeepRest: true}, 3},
		{"no rest", dataset.Plan{Rows: 8, Batch: 4, KeepRest: true}, 2},
		{"a mini-batch larger than the set", dataset.Plan{Rows: 10, Batch: 11}, 0},
		{"a mini-batch larger than the set, as the rest", dataset.Plan{Rows: 10, Batch: 11, KeepRest: true}, 1},
		{"a mini-batch of nothing", dataset.Plan{Rows: 10}, 0},
		{"equal shards", dataset.Plan{Rows: 10, Batch: 4, Shard: 1, Shards: 2}, 2},
		{"unequal shards", dataset.Plan{Rows: 10, Batch: 4, Shard: 1, Shards: 3}, 0},
		{"a rest of unequal shards", dataset.Plan{Rows: 11, Batch: 4, Shards: 2, KeepRest: true}, 0},
		{"a rest of equal shards", dataset.Plan{Rows: 10, Batch: 4, Shards: 2, KeepRest: true}, 3},
		{"a shard that there is not", dataset.Plan{Rows: 10, Batch: 4, Shard: 2, Shards: 2}, 0},
		{"a negative shard", dataset.Plan{Rows: 10, Batch: 4, Shard: -1, Shards: 2}, 0},
	}
	for _, test := range tests {
		err := test.plan.Check()
		if test.perEpoch == 0 {
			if !errors.Is(err, dataset.ErrPlan) {
				t.Errorf("%s: error is %v", test.name, err)
			}
			continue
		}
		if err != nil || test.plan.PerEpoch() != test.perEpoch {
			t.Errorf("%s: %v, %d mini-batches, want %d", test.name, err, test.plan.PerEpoch(), test.perEpoch)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	order := dataset.NewOrder(dataset.Plan{Rows: 60000, Batch: 128, Shuffle: true})
	var index []int64
	for i := range b.N {
		index, _ = order.Step(index, int64(i))
	}
}

func TestAShareOfTheRowsIsTheSameInAllEpochs(t *testing.T) {
	p := dataset.Plan{Rows: 30, Of: 300, Batch: 10, Seed: 5, Shuffle: true, Choice: 1}
	epoch := func(p dataset.Plan, first int64) []int64 {
		var all []int64
		for k := range p.PerEpoch() {
			all = append(all, rows(t, p, first+k)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	chosen := epoch(p, 0)
	if len(chosen) != 30 || chosen[29] >= 300 || chosen[29] < 150 {
		t.Fatalf("of 300 rows 30 are to be drawn, got %v", chosen)
	}
	other := p
	other.Seed, other.Shuffle = 6, false
	if again := epoch(other, 3); !slices.Equal(again, chosen) {
		t.Errorf("another order has other rows: %v and %v", again, chosen)
	}
	if slices.Equal(rows(t, p, 0), rows(t, p, 3)) {
		t.Error("the second epoch has the order of the first")
	}
	other = p
	other.Choice = 2
	if slices.Equal(epoch(other, 0), chosen) {
		t.Error("another choice has the same rows")
	}
	if err := (dataset.Plan{Rows: 30, Of: 20, Batch: 1}).Check(); !errors.Is(err, dataset.ErrPlan) {
		t.Errorf("30 rows of 20: %v", err)
	}
}
