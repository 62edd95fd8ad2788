package dataset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The MiniBooNE set of the UCI repository: a line with the numbers of signal and of background events, then those, an
// event of so many columns a line.
const (
	boosterColumns = 50
	boosterOutlier = -100 // events with less than this in their first column are dropped
	boosterRepeats = 5    // columns whose smallest value occurs more often than this are dropped
)

// readMiniBooNE reads MiniBooNE_PID.txt: the signal events without outliers, the columns in which the smallest value
// does not recur, as continuous ones do not.
func readMiniBooNE(path string) ([][]float64, error) {
	columns := make([][]float64, boosterColumns)
	signal, all, rows := 0, -1, 0
	err := read(path, func(in *input) error {
		err := eachLine(in, "", func(line string) (err error) {
			if all < 0 {
				signal, all, err = eventCounts(line)
				return err
			}
			if rows++; rows > signal {
				return nil
			}
			if err = parseRow(line, 0, columns); err != nil {
				return err
			}
			if last := len(columns[0]) - 1; columns[0][last] < boosterOutlier {
				for j := range columns {
					columns[j] = columns[j][:last]
				}
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case all < 0:
			return fmt.Errorf("%w: it is empty", ErrSize)
		case rows != all:
			return fmt.Errorf("%w: %d events, expected %d by the first line", ErrSize, rows, all)
		case len(columns[0]) == 0:
			return fmt.Errorf("%w: there are no signal events", ErrShape)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	columns = slices.DeleteFunc(columns, func(column []float64) bool {
		least, count := slices.Min(column), 0
		for _, v := range column {
			if v == least {
				count++
			}
		}
		return count > boosterRepeats
	})
	return standardiseHeldOut(columns), nil
}

// eventCounts parses the first line.
func eventCounts(line string) (signal, all int, err error) {
	fields := strings.Fields(line)
	if len(fields) == 2 {
		s, errS := strconv.ParseUint(fields[0], 10, 30)
		b, errB := strconv.ParseUint(fields[1], 10, 30)
		if errS == nil && errB == nil {
			return int(s), int(s + b), nil
		}
	}
	return 0, 0, fmt.Errorf("%w: %.40q is not the numbers of signal and background events", ErrFormat, line)
}

// readMiniBooNETable reads data.npy, the rows and columns that readMiniBooNE keeps.
func readMiniBooNETable(path string) ([][]float64, error) {
	const d = 43
	a, err := readTable(path, d)
	if err != nil {
		return nil, err
	}
	columns := make([][]float64, d)
	for i := range a.values.Len() {
		columns[i%d] = append(columns[i%d], a.values.At(i))
	}
	return standardiseHeldOut(columns), nil
}

// standardiseHeldOut standardises each column with the statistics of its training and validation rows.
func standardiseHeldOut(columns [][]float64) [][]float64 {
	for _, column := range columns {
		test, _ := heldOut(len(column), Test)
		s := newScale(column[:test])
		for i, v := range column {
			column[i] = s.apply(v)
		}
	}
	return columns
}
