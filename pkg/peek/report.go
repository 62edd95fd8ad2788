package peek

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// Options say what a report holds.
type Options struct {
	Filter   Filter
	Format   string // one of Formats
	Values   bool   // also every number
	Spectrum bool   // also the spectra of Kronecker factors
	Pictures string // folder for a PNG of each item that is one; empty: none
	Threads  int    // for spectra
}

// Formats are lines for people, a JSON object a line, and CSV.
var Formats = []string{"text", "json", "csv"}

// format writes a report: the header, every item with what is known of it, and what is left at the end.
type format interface {
	header(s *wire.Stream) error
	item(i *Item, s Statistics, f *Spectrum) error
	end() error
}

// Report reads a stream to its end and writes what it holds. It panics on an unknown format.
//
// It returns the errors of wire's readers, and what writing returned.
func Report(s *wire.Stream, w io.Writer, o Options) error {
	var f format
	switch o.Format {
	case "text":
		f = &lines{w: w, table: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), values: o.Values}
	case "json":
		f = &objects{json.NewEncoder(w), o.Values}
	case "csv":
		f = &rows{csv.NewWriter(w), o.Values}
	default:
		panic("peek: unknown format")
	}
	if err := f.header(s); err != nil {
		return err
	}
	err := each(s, o.Filter, func(i *Item) error {
		var spectrum *Spectrum
		if o.Spectrum {
			spectrum = spectrumOf(i, o.Threads)
		}
		if o.Pictures != "" {
			if err := draw(i, o.Pictures); err != nil {
				return err
			}
		}
		return f.item(i, statisticsOf(i.Value), spectrum)
	})
	if closing := f.end(); err == nil {
		err = closing
	}
	return err
}

// short writes a number for people, a dash for what there is none of.
func short(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return strconv.FormatFloat(x, 'g', 5, 64)
}

// exact writes number i with the digits of its type.
func exact(b tensor.Buffer, i int) string {
	if b.F32 != nil {
		return strconv.FormatFloat(float64(b.F32[i]), 'g', -1, 32)
	}
	return strconv.FormatFloat(b.F64[i], 'g', -1, 64)
}

// shapeText is a shape as "64x3x3", "1" for a scalar.
func shapeText(shape []int) string {
	if len(shape) == 0 {
		return "1"
	}
	words := make([]string, len(shape))
	for k, d := range shape {
		words[k] = strconv.Itoa(d)
	}
	return strings.Join(words, "x")
}

// lines is the report for people: a table for each step.
type lines struct {
	w      io.Writer
	table  *tabwriter.Writer
	values bool
	begun  bool
	step   int64
}

func (l *lines) header(s *wire.Stream) error {
	form := "stream"
	if s.File {
		form = "file"
	}
	fmt.Fprintf(l.w, "%s %s: %s\n", s.Kind, form, kindWords[s.Kind])
	if s.Model != "" {
		name := "model"
		for _, line := range strings.Split(s.Model, "\n") {
			if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "name" {
				name += " " + strings.Trim(strings.TrimSpace(value), `"`)
				break
			}
		}
		fmt.Fprintf(l.w, "%s, sha256 %.12s\n", name, s.ModelSHA256)
	}
	if s.Dataset != "" {
		fmt.Fprintf(l.w, "data set %s, split %s\n", s.Dataset, s.Split)
	}
	fmt.Fprintln(l.w, "\ncolumns")
	for _, c := range schemaOf(s) {
		fmt.Fprintf(l.table, "  %s\t%s\t%s\n", c.Name, c.Type, c.Meaning)
	}
	return l.table.Flush()
}

func (l *lines) item(i *Item, s Statistics, f *Spectrum) error {
	if !l.begun || l.step != i.Step {
		if err := l.table.Flush(); err != nil {
			return err
		}
		l.begun, l.step = true, i.Step
		fmt.Fprintf(l.w, "\nstep %d\n", i.Step)
		fmt.Fprintln(l.table, "  name\trole\tshape\tmin\tmean\tmax\tnorm\tnan\tvalues")
	}
	spectrum := ""
	if f != nil {
		spectrum = fmt.Sprintf("\tcondition %.3g, rank %d of %d  %s", f.Condition, f.Rank, f.Side, f.Line)
	}
	_, err := fmt.Fprintf(l.table, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s%s\n", i.Name, i.Role, shapeText(i.Shape),
		short(s.Min), short(s.Mean), short(s.Max), short(s.Norm), s.NaN, s.Line, spectrum)
	if l.values && err == nil {
		err = l.numbers(i)
	}
	return err
}

// numbers writes the values of an item, a line for each run of its last dimension.
func (l *lines) numbers(i *Item) error {
	if err := l.table.Flush(); err != nil {
		return err
	}
	row := 1
	if len(i.Shape) > 0 {
		row = max(i.Shape[len(i.Shape)-1], 1)
	}
	var b strings.Builder
	for k := range i.Value.Len() {
		b.WriteString(map[bool]string{true: "    ", false: " "}[k%row == 0])
		b.WriteString(exact(i.Value, k))
		if (k+1)%row == 0 {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

func (l *lines) end() error { return l.table.Flush() }

// rows is the report as CSV: a row for each item, or for each number.
type rows struct {
	w      *csv.Writer
	values bool
}

func (r *rows) header(*wire.Stream) error {
	if r.values {
		return r.w.Write([]string{"step", "name", "role", "index", "value"})
	}
	return r.w.Write([]string{"step", "name", "role", "shape", "min", "mean", "max", "norm", "nan", "condition", "rank"})
}

func (r *rows) item(i *Item, s Statistics, f *Spectrum) error {
	step := strconv.FormatInt(i.Step, 10)
	if r.values {
		for k := range i.Value.Len() {
			if err := r.w.Write([]string{step, i.Name, i.Role, strconv.Itoa(k), exact(i.Value, k)}); err != nil {
				return err
			}
		}
		return nil
	}
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	row := []string{step, i.Name, i.Role, shapeText(i.Shape), number(s.Min), number(s.Mean), number(s.Max), number(s.Norm), strconv.Itoa(s.NaN), "", ""}
	if f != nil {
		row[9], row[10] = number(f.Condition), strconv.Itoa(f.Rank)
	}
	return r.w.Write(row)
}

func (r *rows) end() error {
	r.w.Flush()
	return r.w.Error()
}
