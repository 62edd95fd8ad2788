package dataset_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"odepipe/pkg/dataset"
)

func load(t *testing.T, name, split string, seed uint64) *dataset.Set {
	t.Helper()
	set, err := dataset.Load(name, dataset.Request{Split: split, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// points returns x [N, 2] and the classes, nil where there are none.
func points(set *dataset.Set) (x []float32, y []int32) {
	x = set.Columns[0].Values.F32
	if len(set.Columns) > 1 {
		y = set.Columns[1].Ints
	}
	return x, y
}

func TestGeneratedSets(t *testing.T) {
	for _, entry := range dataset.Table {
		if entry.Files {
			continue
		}
		train, again := load(t, entry.Name, "train", 3), load(t, entry.Name, "train", 3)
		x, y := points(train)
		if train.Rows != 10_000 || len(x) != 20_000 || y != nil && len(y) != 10_000 {
			t.Errorf("%s: %d rows, %d numbers, %d classes", entry.Name, train.Rows, len(x), len(y))
		}
		if same, _ := points(again); !slices.Equal(x, same) {
			t.Errorf("%s: the same seed gives other points", entry.Name)
		}
		if other, _ := points(load(t, entry.Name, "train", 4)); slices.Equal(x[:20], other[:20]) {
			t.Errorf("%s: another seed gives the same points", entry.Name)
		}
		for _, split := range []string{"val", "test"} {
			held := load(t, entry.Name, split, 3)
			if part, _ := points(held); held.Rows != 2_000 || slices.Equal(part[:20], x[:20]) {
				t.Errorf("%s: %s has %d rows, or the points of train", entry.Name, split, held.Rows)
			}
		}
		for class, n := range map[int32]int{0: 5_000, 1: 5_000} {
			count := 0
			for _, c := range y {
				if c == class {
					count++
				}
			}
			if y != nil && count != n {
				t.Errorf("%s: %d rows of class %d, want %d", entry.Name, count, class, n)
			}
		}
	}
}

func TestAnnuliHaveAGap(t *testing.T) {
	x, y := points(load(t, "annuli", "train", 0))
	inside := 0
	for i, class := range y {
		r := math.Hypot(float64(x[2*i]), float64(x[2*i+1]))
		lo, hi := 0.5+float64(class), 1+float64(class)
		if !(r >= lo-1e-6 && r <= hi+1e-6) {
			t.Fatalf("row %d of class %d has radius %g", i, class, r)
		}
		if class == 0 && r < 0.75 {
			inside++
		}
	}
	// The inner half of the width of the inner annulus has 0.3125 / 0.75 of its area.
	if share := float64(inside) / 5000; !(math.Abs(share-0.3125/0.75) <= 0.03) {
		t.Errorf("%.3f of class 0 lies below radius 0.75: not even over the area", share)
	}
}

func TestSpiralsFollowTheirArms(t *testing.T) {
	x, y := points(load(t, "spirals", "train", 0))
	sum, farthest := 0.0, 0.0
	for i, class := range y {
		px, py := float64(x[2*i]), float64(x[2*i+1])
		nearest := math.Inf(1)
		for a := 0.0; a <= 3*math.Pi; a += 0.02 {
			r, turn := a/(3*math.Pi), a+math.Pi*float64(class)
			nearest = min(nearest, math.Hypot(px-r*math.Cos(turn), py-r*math.Sin(turn)))
		}
		sum += nearest * nearest
		farthest = max(farthest, nearest)
	}
	// Across an arm the noise has standard deviation 0.05; five of them bound 10,000 rows.
	if rms := math.Sqrt(sum / float64(len(y))); !(math.Abs(rms-0.05) <= 0.005) || !(farthest <= 0.25) {
		t.Errorf("distance from the own arm: root mean square %.4f, largest %.4f", rms, farthest)
	}
}

func TestCircleIsTheDensityOfTheFlowLiterature(t *testing.T) {
	x, y := points(load(t, "circle", "train", 0))
	if y != nil {
		t.Error("a density has no classes")
	}
	sum, squares, turn := 0.0, 0.0, 0.0
	for i := range 10_000 {
		radius := 1.0
		if i%2 == 1 {
			radius = 0.5
		}
		d := math.Hypot(float64(x[2*i]), float64(x[2*i+1])) - radius
		sum, squares, turn = sum+d, squares+d*d, turn+float64(x[2*i])
	}
	if sd := math.Sqrt(squares / 10_000); !(math.Abs(sd-0.06) <= 0.004) || !(math.Abs(sum/10_000) <= 0.01) || !(math.Abs(turn/10_000) <= 0.03) {
		t.Errorf("distance from the circles: mean %.4f, deviation %.4f; mean x %.4f", sum/10_000, sd, turn/10_000)
	}
}

func TestUnknownNames(t *testing.T) {
	if _, err := dataset.Load("mnits", dataset.Request{Split: "train"}); !errors.Is(err, dataset.ErrUnknown) {
		t.Errorf("unknown set: %v", err)
	}
	if _, err := dataset.Load("mnist", dataset.Request{Split: "val"}); !errors.Is(err, dataset.ErrSplit) ||
		err.Error() != `dataset: no such split: mnist has no split "val", it has train, test` {
		t.Errorf("unknown split: %v", err)
	}
}
