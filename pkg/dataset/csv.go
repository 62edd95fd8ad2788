package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"odepipe/pkg/tensor"
)

// decodeCSV reads rows of numbers, the same many in each: values [rows, columns] of the type d. A first row with a field
// that is no number is a header. A single column of whole numbers, written without point and exponent, becomes ints.
func decodeCSV(in *input, d tensor.DType) (*array, error) {
	if mark, _ := in.Peek(3); string(mark) == "\xef\xbb\xbf" { // byte order mark, as spreadsheets write it
		in.Discard(3)
	}
	reader := csv.NewReader(in)
	reader.ReuseRecord = true
	reader.TrimLeadingSpace = true
	a := &array{shape: []int{0, 0}}
	whole, bits := true, 32
	if d == tensor.Float64 {
		bits = 64
	}
	for first := true; ; first = false {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, csvError(err)
		}
		a.shape[1] = len(record)
		if first && isHeader(record) {
			continue
		}
		for j, field := range record {
			field = strings.TrimSpace(field)
			line, _ := reader.FieldPos(j)
			v, err := strconv.ParseFloat(field, bits)
			if err != nil {
				return nil, fmt.Errorf("%w: line %d, column %d: %.40q is not a number of %s", ErrFormat, line, j+1, field, d)
			}
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("%w: line %d, column %d: %s", ErrNonFinite, line, j+1, field)
			}
			if bits == 64 {
				a.values.F64 = append(a.values.F64, v)
			} else {
				a.values.F32 = append(a.values.F32, float32(v))
			}
			if whole {
				n, err := strconv.ParseInt(field, 10, 64)
				whole = err == nil && len(record) == 1
				a.ints = append(a.ints, n)
			}
		}
		a.shape[0]++
	}
	if whole {
		a.values = tensor.Buffer{}
	} else {
		a.ints = nil
	}
	return a, nil
}

// isHeader reports whether a first row has a field that is no number.
func isHeader(record []string) bool {
	for _, field := range record {
		if _, err := strconv.ParseFloat(strings.TrimSpace(field), 64); errors.Is(err, strconv.ErrSyntax) {
			return true
		}
	}
	return false
}

// csvError keeps the place that package csv reports, in words of this package.
func csvError(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if errors.Is(err, csv.ErrFieldCount) {
		return fmt.Errorf("%w: line %d has another number of columns than the first", ErrFormat, parse.Line)
	}
	return fmt.Errorf("%w: line %d, column %d: %v", ErrFormat, parse.Line, parse.Column, parse.Err)
}
