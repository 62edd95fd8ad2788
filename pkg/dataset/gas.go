package dataset

import (
	"fmt"
	"math"
	"slices"
)

// The gas sensor array of the UCI repository: a line of words, then a reading a line: time, two concentrations, and so
// many sensors.
const (
	gasSkipped     = 3
	gasSensors     = 16
	gasShare       = 4    // one reading of so many is used
	gasCorrelation = 0.98 // of two columns with more than this one is dropped
)

// readGas reads ethylene_CO.txt: a quarter of the readings, drawn once and for all in random order as the published
// set's were, and of the sensors those that are left after the first one which is correlated with another has been
// dropped, time and again. Each column is standardised with the statistics of all rows drawn, the variance with N - 1.
//
// The file is read twice, and memory is that of the quarter.
func readGas(path string) ([][]float64, error) {
	lines := 0
	count := func(string) error { lines++; return nil }
	if err := read(path, func(in *input) error { return eachLine(in, "", count) }); err != nil {
		return nil, err
	}
	total := lines - 1
	rows := (total + gasShare/2) / gasShare
	if rows < 2 {
		return nil, fmt.Errorf("%s: %w: %d readings are too few", path, ErrSize, max(total, 0))
	}
	place := make([]int32, total) // of each reading in the rows, from 1; 0 is none
	order := newPermutation(total, newSource(streamSplit))
	for i := range rows {
		place[order.at(uint64(i))] = int32(i + 1)
	}
	columns := make([][]float64, gasSensors)
	for j := range columns {
		columns[j] = make([]float64, rows)
	}
	at := -1
	reading := make([][]float64, gasSensors)
	take := func(line string) error {
		if at++; at == 0 || at > total || place[at-1] == 0 {
			return nil
		}
		for j := range reading {
			reading[j] = columns[j][place[at-1]-1 : place[at-1]-1]
		}
		return parseRow(line, gasSkipped, reading)
	}
	if err := read(path, func(in *input) error { return eachLine(in, "", take) }); err != nil {
		return nil, err
	}
	columns = uncorrelated(columns)
	for _, column := range columns {
		s := newScale(column)
		s.deviation *= math.Sqrt(float64(rows) / float64(rows-1))
		for i, v := range column {
			column[i] = s.apply(v)
		}
	}
	return columns, nil
}

// uncorrelated drops the first column that has a correlation above gasCorrelation with another that is left, until
// there is none.
func uncorrelated(columns [][]float64) [][]float64 {
	correlated := make([][]bool, len(columns))
	for i := range columns {
		correlated[i] = make([]bool, len(columns))
	}
	for i := range columns {
		for j := range i {
			high := correlation(columns[i], columns[j]) > gasCorrelation
			correlated[i][j], correlated[j][i] = high, high
		}
	}
	dropped := make([]bool, len(columns))
	for i := range columns { // the first one only ever moves on: dropping a column correlates no other
		for j := range columns {
			dropped[i] = dropped[i] || correlated[i][j] && !dropped[j]
		}
	}
	i := -1
	return slices.DeleteFunc(columns, func([]float64) bool { i++; return dropped[i] })
}

// correlation is Pearson's of two columns, NaN where one is constant:
//
//	sum (x - mean x)(y - mean y) / sqrt(sum (x - mean x)^2 sum (y - mean y)^2)
func correlation(x, y []float64) float64 {
	mx, my := newScale(x).mean, newScale(y).mean
	xx, xy, yy := 0.0, 0.0, 0.0
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	return xy / math.Sqrt(xx*yy)
}
