package dataset_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
)

// ramp is pictures [2, 5, 6] of which every pixel is another one, and which are all the same.
func ramp(rows int) (*dataset.Column, []float64) {
	one := make([]float64, 2*5*6)
	for i := range one {
		one[i] = float64(i + 1)
	}
	x := &dataset.Column{Name: "x", Shape: tensor.Of(2, 5, 6)}
	x.Values.F64 = slices.Repeat(one, rows)
	return x, one
}

// moved is the picture by its definition, padded with 0.
func moved(one []float64, flip bool, di, dj int) []float64 {
	out := make([]float64, len(one))
	for c := range 2 {
		for i := range 5 {
			for j := range 6 {
				k := j
				if flip {
					k = 5 - j
				}
				if k += dj; k >= 0 && k < 6 && i+di >= 0 && i+di < 5 {
					out[c*30+i*6+j] = one[c*30+(i+di)*6+k]
				}
			}
		}
	}
	return out
}

func TestAugmentIsOneOfItsChangesEachAsLikely(t *testing.T) {
	const rows = 8100
	index := make([]int64, rows)
	for i := range index {
		index[i] = int64(i)
	}
	for _, test := range []struct {
		list        string
		flips, cuts int
	}{{"flip", 2, 1}, {"crop", 1, 81}, {"crop,flip", 2, 81}} {
		augment, err := dataset.ParseAugment(test.list, 3)
		if err != nil {
			t.Fatal(err)
		}
		x, one := ramp(rows)
		values := tensor.Float64.Make(rows * len(one))
		x.GatherValues(values, index)
		augment.Apply(x, values, index, 17)
		count := 0
		for flip := range test.flips {
			for cut := range test.cuts {
				want := moved(one, flip == 1, cut/9-4*min(test.cuts-1, 1), cut%9-4*min(test.cuts-1, 1))
				n := 0
				for i := range rows {
					if slices.Equal(values.F64[i*len(one):(i+1)*len(one)], want) {
						n++
					}
				}
				expected := rows / float64(test.flips*test.cuts)
				if !(math.Abs(float64(n)-expected) <= 5*math.Sqrt(expected)) {
					t.Errorf("%s: %d pictures of %d are flipped %d and cut %d", test.list, n, rows, flip, cut)
				}
				count += n
			}
		}
		if count != rows {
			t.Errorf("%s: %d of %d pictures are what they may be", test.list, count, rows)
		}
	}
}

func TestAugmentIsAPureFunction(t *testing.T) {
	x, one := ramp(40)
	apply := func(seed uint64, step int64, index ...int64) []float64 {
		augment, err := dataset.ParseAugment("flip,crop", seed)
		if err != nil {
			t.Fatal(err)
		}
		values := tensor.Float64.Make(len(index) * len(one))
		x.GatherValues(values, index)
		augment.Apply(x, values, index, step)
		return values.F64
	}
	whole := apply(1, 5, 30, 31, 32, 33)
	if part := apply(1, 5, 32, 33); !slices.Equal(part, whole[2*len(one):]) {
		t.Error("a row depends on those beside it")
	}
	for name, other := range map[string][]float64{"seed": apply(2, 5, 30, 31, 32, 33), "step": apply(1, 6, 30, 31, 32, 33), "row": apply(1, 5, 34, 35, 36, 37)} {
		if slices.Equal(other, whole) {
			t.Errorf("another %s changes nothing", name)
		}
	}
	values := tensor.Float64.Make(len(one))
	x.GatherValues(values, []int64{0})
	dataset.Augment{Seed: 1}.Apply(x, values, []int64{0}, 5)
	if !slices.Equal(values.F64, one) {
		t.Error("nothing asked for, and the picture is another one")
	}
}

// Bytes are padded with byte 0, not with the number 0.
func TestAugmentPadsWithBlack(t *testing.T) {
	folder := write(t, map[string][]byte{"svhn/train_32x32.mat": svhnFile(t, "svhn-plain.mat")})
	set, err := dataset.Load("svhn", dataset.Request{Folder: folder, Split: "train"})
	if err != nil {
		t.Fatal(err)
	}
	augment, err := dataset.ParseAugment("crop", 0)
	if err != nil {
		t.Fatal(err)
	}
	x, black := &set.Columns[0], (float32(0)-0.1307)/0.3081
	corners := 0
	for step := range int64(20) {
		values := tensor.Float32.Make(3072)
		x.GatherValues(values, []int64{1})
		augment.Apply(x, values, []int64{1}, step)
		if values.F32[0] == black {
			corners++
		}
		if slices.Contains(values.F32, 0) {
			t.Errorf("step %d: a pixel is 0", step)
		}
	}
	if corners == 0 {
		t.Error("no corner is black")
	}
}

func TestAugmentOfWhat(t *testing.T) {
	for _, list := range []string{"", "flip,", "turn", "flip crop"} {
		if _, err := dataset.ParseAugment(list, 0); !errors.Is(err, dataset.ErrAugment) {
			t.Errorf("%q: %v", list, err)
		}
	}
	folder := write(t, map[string][]byte{"x.csv": []byte("1,2\n")})
	set, err := dataset.LoadFiles(dataset.Files{X: filepath.Join(folder, "x.csv")}, "train")
	if err != nil {
		t.Fatal(err)
	}
	if err := (dataset.Augment{Flip: true}).Check(&set.Columns[0]); !errors.Is(err, dataset.ErrAugment) {
		t.Errorf("a vector: %v", err)
	}
	x, _ := ramp(1)
	if err := (dataset.Augment{Flip: true}).Check(x); err != nil {
		t.Errorf("a picture: %v", err)
	}
}
