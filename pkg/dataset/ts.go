package dataset

import (
	"fmt"
	"strconv"
	"strings"
)

// decodeTS reads the text format of the UEA archive and of sktime: after a header one case a line, a text of values for
// each channel and then the class, all separated by colons.
//
//	# comments, in any encoding
//	@problemName JapaneseVowels
//	@timeStamps false
//	@dimensions 2
//	@equalLength false
//	@classLabel true 1 2 3
//	@data
//	1.86,1.89,1.94:-0.21,?,-0.20:1
//
// The lines of the header may come in any order and case. The order of @classLabel is that of the classes.
func decodeTS(in *input) (*seriesFile, error) {
	f, header := &seriesFile{}, tsHeader{}
	data := false
	err := eachLine(in, "#", func(line string) error {
		switch {
		case !data && line[0] != '@':
			return fmt.Errorf("%w: it stands before @data and begins with no @", ErrFormat)
		case !data:
			words := strings.Fields(line[1:])
			if len(words) == 0 {
				return fmt.Errorf("%w: an @ without a name", ErrFormat)
			}
			if data = strings.EqualFold(words[0], "data"); data {
				return header.apply(f)
			}
			return header.set(f, strings.ToLower(words[0]), words[1:])
		case line[0] == '(':
			return errTimeStamps
		}
		fields := strings.Split(line, ":")
		last := len(fields) - 1
		if last == 0 {
			return fmt.Errorf("%w: no colon between values and class", ErrFormat)
		}
		return f.add(fields[:last], strings.TrimSpace(fields[last]))
	})
	if err == nil && !data {
		err = fmt.Errorf("%w: there is no @data", ErrFormat)
	}
	return f, err
}

var errTimeStamps = fmt.Errorf("%w: time stamps are not read; series have a value at each of their time points", ErrFormat)

// tsHeader is what the header says about the cases.
type tsHeader struct {
	points int
	equal  bool
}

// set takes one line of the header; names that say nothing about the cases are passed over.
func (h *tsHeader) set(f *seriesFile, name string, words []string) (err error) {
	value := ""
	if len(words) > 0 {
		value = words[0]
	}
	is := strings.EqualFold(value, "true")
	switch name {
	case "timestamps":
		if is {
			err = errTimeStamps
		}
	case "univariate":
		if is {
			f.channels = 1
		}
	case "dimensions", "dimension":
		f.channels, err = positive(value)
	case "serieslength":
		h.points, err = positive(value)
	case "equallength":
		h.equal = is
	case "classlabel":
		if is {
			err = f.setClasses(words[1:])
		}
	}
	if err != nil {
		return fmt.Errorf("@%s: %w", name, err)
	}
	return nil
}

// apply checks the header as a whole.
func (h *tsHeader) apply(f *seriesFile) error {
	if len(f.classes) == 0 {
		return fmt.Errorf("%w: no classes before @data; @classLabel true names them", ErrFormat)
	}
	if h.equal {
		f.points = h.points
	}
	return nil
}

// positive parses a whole number from 1.
func positive(word string) (int, error) {
	n, err := strconv.ParseInt(word, 10, 31)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: %.40q is no whole number from 1", ErrFormat, word)
	}
	return int(n), nil
}
