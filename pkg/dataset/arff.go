package dataset

import (
	"fmt"
	"strings"
)

// decodeARFF reads Weka's format as the UEA archive writes multivariate series: a relational attribute whose rows are
// the channels, and then the class.
//
//	% comments
//	@relation JapaneseVowels
//	@attribute relationalAtt relational
//	  @attribute att0 numeric
//	  @attribute att1 numeric
//	@end relationalAtt
//	@attribute class {1,2,3}
//	@data
//	'1.86,1.89\n-0.21,?',1
//
// Each numeric attribute is a time point, and the two characters \n separate the channels. The order of the class
// attribute is that of the classes.
func decodeARFF(in *input) (*seriesFile, error) {
	f := &seriesFile{}
	data, inside := false, false
	err := eachLine(in, "%", func(line string) error {
		if data {
			channels, class, err := arffCase(line)
			if err != nil {
				return err
			}
			return f.add(channels, class)
		}
		word, rest := cutWord(line)
		switch strings.ToLower(word) {
		case "@relation":
			return nil
		case "@end":
			inside = false
			return nil
		case "@data":
			data = true
			return checkARFF(f)
		case "@attribute":
			name, kind := cutWord(rest)
			switch {
			case inside && !strings.HasPrefix(kind, "{"):
				f.points++
			case strings.EqualFold(kind, "relational") && f.points == 0:
				inside = true
			case !inside && f.points > 0 && strings.HasPrefix(kind, "{") && strings.HasSuffix(kind, "}") && f.classes == nil:
				return f.setClasses(arffNames(kind[1 : len(kind)-1]))
			default:
				return fmt.Errorf("%w: attribute %.40q; one relational attribute of numbers and then one of classes are read", ErrFormat, name)
			}
			return nil
		}
		return fmt.Errorf("%w: %.40q is no part of an .arff header", ErrFormat, word)
	})
	if err == nil && !data {
		err = fmt.Errorf("%w: there is no @data", ErrFormat)
	}
	return f, err
}

// checkARFF checks the header as a whole.
func checkARFF(f *seriesFile) error {
	if f.points == 0 || len(f.classes) == 0 {
		return fmt.Errorf("%w: a relational attribute and one of classes must stand before @data", ErrFormat)
	}
	return nil
}

// cutWord cuts the first word off, which may stand in quotes and then have blanks.
func cutWord(line string) (word, rest string) {
	if line != "" && (line[0] == '\'' || line[0] == '"') {
		if i := strings.IndexByte(line[1:], line[0]); i >= 0 {
			return line[1 : 1+i], strings.TrimSpace(line[2+i:])
		}
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.TrimSpace(line[i:])
	}
	return line, ""
}

// arffNames reads names between commas, each of which may stand in quotes.
func arffNames(list string) []string {
	names := strings.Split(list, ",")
	for i, name := range names {
		names[i] = unquote(strings.TrimSpace(name))
	}
	return names
}

// unquote takes quotes off that stand at both ends.
func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '\'' || s[0] == '"') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// arffCase cuts a line of data into its channels and its class.
func arffCase(line string) (channels []string, class string, err error) {
	quote := line[0]
	if quote != '\'' && quote != '"' {
		return nil, "", fmt.Errorf("%w: a case begins with a quote", ErrFormat)
	}
	values, rest, closed := strings.Cut(line[1:], string(rune(quote)))
	class, comma := strings.CutPrefix(strings.TrimSpace(rest), ",")
	if !closed || !comma {
		return nil, "", fmt.Errorf("%w: no quote and comma between values and class", ErrFormat)
	}
	return strings.Split(strings.TrimSuffix(values, `\n`), `\n`), unquote(strings.TrimSpace(class)), nil
}
