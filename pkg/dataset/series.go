package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// seriesFile is what a file of time series holds: cases of as many channels each, and the names of their classes.
type seriesFile struct {
	classes  []string // class k is the k-th
	channels int      // 0 until a header or the first case tells
	points   int      // of every case, where a header says so; else 0
	cases    []seriesCase
}

// seriesCase is one series: values [channels][length], NaN where one is missing. At the last point something is present.
type seriesCase struct {
	values [][]float64
	class  int32
}

// length is the number of time points.
func (c *seriesCase) length() int { return len(c.values[0]) }

// maxLine bounds the length of a line, in bytes; the longest of the UEA archive has about 10^6.
const maxLine = 1 << 28

// eachLine calls with every line of a text that is neither empty nor begins with one of the comment's bytes, its blanks
// at both ends removed, and its number from 1. Errors name the line.
func eachLine(in *input, comment string, call func(line string) error) error {
	if mark, _ := in.Peek(3); string(mark) == "\xef\xbb\xbf" {
		in.Discard(3)
	}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxLine)
	n := 1
	for ; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.IndexByte(comment, line[0]) >= 0 {
			continue
		}
		if err := call(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%w: line %d has more than %d bytes", ErrFormat, n, maxLine)
	}
	return scanner.Err()
}

// setClasses takes the names of the classes from a header.
func (f *seriesFile) setClasses(names []string) error {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%w: class %.40q is named twice", ErrFormat, name)
		}
	}
	f.classes = names
	return nil
}

// add appends a case: a text of values between commas for each channel, "?" and "NaN" being missing ones, and the name
// of its class. Points at the end at which no channel has a value are cut off, since that is how files of series of one
// length are made of unequal ones.
//
// It returns ErrShape for another number of channels or points than there must be, ErrLabel for an unknown class,
// ErrFormat for a value that is no number or for a series without any, and ErrNonFinite for an infinite one.
func (f *seriesFile) add(channels []string, class string) error {
	if f.channels == 0 {
		f.channels = len(channels)
	}
	if len(channels) != f.channels {
		return fmt.Errorf("%w: %d channels, expected %d", ErrShape, len(channels), f.channels)
	}
	k := slices.Index(f.classes, class)
	if k < 0 {
		return fmt.Errorf("%w: class %.40q is not in the header", ErrLabel, class)
	}
	c := seriesCase{values: make([][]float64, len(channels)), class: int32(k)}
	length := 0
	for i, text := range channels {
		values, last, err := parseValues(text)
		if err != nil {
			return fmt.Errorf("channel %d: %w", i+1, err)
		}
		want := f.points
		if want == 0 && i > 0 {
			want = len(c.values[0])
		}
		if want > 0 && len(values) != want {
			return fmt.Errorf("%w: channel %d has %d time points, expected %d", ErrShape, i+1, len(values), want)
		}
		c.values[i], length = values, max(length, last)
	}
	if length == 0 {
		return fmt.Errorf("%w: a series without a value", ErrFormat)
	}
	for i, values := range c.values {
		c.values[i] = slices.Clip(values[:length])
	}
	f.cases = append(f.cases, c)
	return nil
}

// parseValues reads values between commas; last is the number of them up to the last that is present.
func parseValues(text string) (values []float64, last int, err error) {
	fields := strings.Split(text, ",")
	values = make([]float64, 0, len(fields))
	for _, field := range fields {
		field = strings.TrimSpace(field)
		v := math.NaN()
		if field != "?" {
			if v, err = strconv.ParseFloat(field, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
				return nil, 0, fmt.Errorf("%w: value %d: %.40q is no number", ErrFormat, len(values)+1, field)
			}
		}
		if math.IsInf(v, 0) {
			return nil, 0, fmt.Errorf("%w: value %d: %.40s", ErrNonFinite, len(values)+1, field)
		}
		values = append(values, v)
		if !math.IsNaN(v) {
			last = len(values)
		}
	}
	return values, last, nil
}
