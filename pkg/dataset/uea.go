package dataset

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"odepipe/pkg/tensor"
)

// ueaSplits are the splits of the archive's sets; the first rule is the default.
var ueaSplits = []string{
	Paper + ":" + Train, Paper + ":" + Val, Paper + ":" + Test, Original + ":" + Train, Original + ":" + Test,
}

// ueaRule says them in help.
const ueaRule = "70/15/15 % of all rows, or the files' own"

// loadUEA makes the loader of a set of the UEA archive of multivariate time series (Bagnall et al., 2018), from the
// files NAME_TRAIN and NAME_TEST, .ts or .arff:
//
//	x [T, C]   the value of each channel at each point, standardised; 0 behind the end, NaN where it is missing
//	length     the number of points, up to T, the longest of both files
//	y          the class, counted in the order of the header
func loadUEA(name string) func(Request) (*Set, error) {
	return func(request Request) (*Set, error) {
		train, test, err := readUEA(request.Folder, name)
		if err != nil {
			return nil, err
		}
		cases := slices.Concat(train.cases, test.cases)
		rows, fit := ueaRows(cases, len(train.cases), request)
		if len(rows) == 0 {
			return nil, fmt.Errorf("%w: %d series of %d classes are too few for a split %s", ErrSplit, len(cases), len(train.classes), request.Split)
		}
		scales := make([]scale, train.channels)
		for channel := range scales {
			scales[channel] = channelScale(cases, fit, channel)
		}
		if points := longest(cases); points*train.channels > maxPadded/len(rows) {
			return nil, fmt.Errorf("%w: %d series of %d channels padded to %d points", ErrSize, len(rows), train.channels, points)
		}
		return seriesSet(cases, rows, scales), nil
	}
}

// maxPadded bounds the numbers of x, padding included; the largest set of the archive has 3 10^8.
const maxPadded = 1 << 30

// longest is the largest number of points of a case.
func longest(cases []seriesCase) int {
	points := 0
	for i := range cases {
		points = max(points, cases[i].length())
	}
	return points
}

// readUEA reads both files of a set and holds the second to the first.
func readUEA(root, name string) (train, test *seriesFile, err error) {
	var files [2]*seriesFile
	var paths [2]string
	for i, half := range []string{"_TRAIN", "_TEST"} {
		var names []string
		for _, ending := range []string{".ts", ".arff"} {
			names = append(names, name+half+ending, name+half+ending+".gz")
		}
		if paths[i], err = locate(root, names, filepath.Join("uea", name), name, "."); err != nil {
			return nil, nil, err
		}
		decode := decodeTS
		if strings.HasSuffix(strings.TrimSuffix(paths[i], ".gz"), ".arff") {
			decode = decodeARFF
		}
		err := read(paths[i], func(in *input) (err error) {
			if files[i], err = decode(in); err == nil && len(files[i].cases) == 0 {
				err = fmt.Errorf("%w: there are no series", ErrSize)
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	train, test = files[0], files[1]
	switch {
	case train.channels != test.channels:
		return nil, nil, fmt.Errorf("%w: %s has %d channels, %s has %d", ErrShape, paths[0], train.channels, paths[1], test.channels)
	case !slices.Equal(train.classes, test.classes):
		return nil, nil, fmt.Errorf("%w: %s and %s have different classes", ErrLabel, paths[0], paths[1])
	}
	return train, test, nil
}

// ueaRows are the rows of the split that is asked for, and those of the training split by the same rule. The first
// trainRows of the cases are those of the training file.
func ueaRows(cases []seriesCase, trainRows int, request Request) (rows, fit []int) {
	rule, part := CutSplit(request.Split)
	if rule == Paper {
		classes := make([]int32, len(cases))
		for i := range cases {
			classes[i] = cases[i].class
		}
		return paperRows(classes, request.SplitSeed, part), paperRows(classes, request.SplitSeed, Train)
	}
	all := make([]int, len(cases))
	for i := range all {
		all[i] = i
	}
	if part == Train {
		return all[:trainRows], all[:trainRows]
	}
	return all[trainRows:], all[:trainRows]
}

// channelScale is the mean and the standard deviation of the values of a channel that are present in the given rows.
func channelScale(cases []seriesCase, rows []int, channel int) scale {
	var present []float64
	for _, row := range rows {
		for _, v := range cases[row].values[channel] {
			if !math.IsNaN(v) {
				present = append(present, v)
			}
		}
	}
	return newScale(present)
}

// seriesSet is the set of the given rows; x is as long as the longest of all cases.
func seriesSet(cases []seriesCase, rows []int, scales []scale) *Set {
	points, channels := longest(cases), len(scales)
	x := make([]float32, len(rows)*points*channels)
	length, y := make([]int32, len(rows)), make([]int32, len(rows))
	for i, row := range rows {
		c := &cases[row]
		length[i], y[i] = int32(c.length()), c.class
		for channel, values := range c.values {
			for t, v := range values {
				x[(i*points+t)*channels+channel] = float32(scales[channel].apply(v))
			}
		}
	}
	return &Set{Rows: len(rows), Columns: []Column{
		{Name: "x", Shape: tensor.Of(points, channels), Values: tensor.Buffer{F32: x}},
		{Name: "length", Ints: length},
		{Name: "y", Ints: y},
	}}
}
