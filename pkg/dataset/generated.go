package dataset

import (
	"fmt"
	"math"

	"odepipe/pkg/tensor"
)

// Sizes of the generated sets; val is as large as test.
const (
	generatedTrain = 10_000
	generatedTest  = 2_000
)

// generatedRows says the sizes in help.
var generatedRows = fmt.Sprintf("train %d, val and test %d rows", generatedTrain, generatedTest)

// unlabelled is the class of points that have none.
const unlabelled = -1

// generated makes the loader of a set of points in the plane; point draws row i and its class. The set is a pure
// function of seed and split.
func generated(point func(s *source, i int) (x, y float64, class int32)) func(Request) (*Set, error) {
	return func(request Request) (*Set, error) {
		rows, split := generatedTest, uint64(0)
		switch request.Split {
		case Train:
			rows = generatedTrain
		case Val:
			split = 1
		case Test:
			split = 2
		}
		s := newSource(streamRows, request.Seed, split)
		x, y := make([]float32, 0, 2*rows), make([]int32, 0, rows)
		for i := range rows {
			px, py, class := point(&s, i)
			x = append(x, float32(px), float32(py))
			if class != unlabelled {
				y = append(y, class)
			}
		}
		set := &Set{Rows: rows, Columns: []Column{{Name: "x", Shape: tensor.Of(2), Values: tensor.Buffer{F32: x}}}}
		if len(y) > 0 {
			set.Columns = append(set.Columns, Column{Name: "y", Ints: y})
		}
		return set, nil
	}
}

// polar is the point at radius r and angle a, moved by normal noise of standard deviation sigma in both coordinates.
func polar(s *source, r, a, sigma float64) (x, y float64) {
	return r*math.Cos(a) + sigma*s.normal(), r*math.Sin(a) + sigma*s.normal()
}
