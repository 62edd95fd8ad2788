package peek

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"odepipe/pkg/wire"
)

// ErrDiffer says that two streams differ beyond the tolerance.
var ErrDiffer = errors.New("peek: the streams differ")

// Difference is between the tensors of one step, name and role in two streams a and b. Absolute is the largest |a - b|,
// Relative the largest |a - b| / max(|a|, |b|) of an element; both are infinite where one alone is NaN or where two
// infinities have different signs. Only names the one stream that has the tensor, or says that the shapes differ; it is
// empty otherwise.
type Difference struct {
	Step     int64  `json:"step"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Absolute number `json:"absolute"`
	Relative number `json:"relative"`
	Only     string `json:"only,omitempty"`
	Differs  bool   `json:"differs"`
}

// Diff compares two streams of one kind batch by batch, in order, and writes a line for every tensor, as text or as JSON.
// Elements a and b agree if |a - b| <= tolerance max(1, |a|, |b|), or if both are NaN.
//
// It returns ErrDiffer with the number of tensors that do not agree, wire.ErrKind for streams of different kinds, and the
// errors of wire's readers.
func Diff(a, b *wire.Stream, w io.Writer, tolerance float64, o Options) error {
	if err := b.Want(a.Kind); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	objects := json.NewEncoder(w)
	if o.Format != "json" {
		fmt.Fprintln(table, "step\tname\trole\tlargest absolute\tlargest relative\tverdict")
	}
	count, differing := 0, 0
	show := func(d Difference) error {
		count++
		verdict := "agrees"
		if d.Differs {
			differing++
			verdict = "differs"
		}
		if d.Only != "" {
			verdict = d.Only
		}
		if o.Format == "json" {
			return objects.Encode(d)
		}
		_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", d.Step, d.Name, d.Role, short(float64(d.Absolute)), short(float64(d.Relative)), verdict)
		return err
	}
	if err := compare(a, b, tolerance, o.Filter, show); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if differing > 0 {
		return fmt.Errorf("%d of %d tensors beyond %g: %w", differing, count, tolerance, ErrDiffer)
	}
	return nil
}

// compare calls show with the difference of every item, those of a first in each batch.
func compare(a, b *wire.Stream, tolerance float64, f Filter, show func(Difference) error) error {
	left, right := batches{stream: a, filter: f}, batches{stream: b, filter: f}
	var ended [2]bool
	for {
		var items [2][]Item
		for side, s := range []*batches{&left, &right} {
			if ended[side] {
				continue
			}
			var err error
			if items[side], err = s.next(); err == io.EOF {
				ended[side], items[side] = true, nil
			} else if err != nil {
				return err
			}
		}
		if ended[0] && ended[1] {
			return nil
		}
		for i := range items[0] {
			d := alone(&items[0][i], "only in A")
			if j := match(items[1], &items[0][i]); j >= 0 {
				d = difference(&items[0][i], &items[1][j], tolerance)
			}
			if err := show(d); err != nil {
				return err
			}
		}
		for i := range items[1] {
			if match(items[0], &items[1][i]) >= 0 {
				continue
			}
			if err := show(alone(&items[1][i], "only in B")); err != nil {
				return err
			}
		}
	}
}

func match(items []Item, i *Item) int {
	return slices.IndexFunc(items, func(other Item) bool { return other.Name == i.Name && other.Role == i.Role })
}

func alone(i *Item, where string) Difference {
	return Difference{i.Step, i.Name, i.Role, number(math.NaN()), number(math.NaN()), where, true}
}

func difference(a, b *Item, tolerance float64) Difference {
	if !slices.Equal(a.Shape, b.Shape) {
		return alone(a, fmt.Sprintf("shapes %s and %s", shapeText(a.Shape), shapeText(b.Shape)))
	}
	absolute, relative, differs := 0.0, 0.0, false
	for k := range a.Value.Len() {
		x, y := a.Value.At(k), b.Value.At(k)
		if x == y || math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		gap := math.Abs(x - y)
		large := max(math.Abs(x), math.Abs(y))
		if !finite(gap) || !finite(large) {
			absolute, relative, differs = math.Inf(1), math.Inf(1), true
			continue
		}
		absolute, relative = max(absolute, gap), max(relative, gap/large)
		differs = differs || gap > tolerance*max(1, large)
	}
	return Difference{a.Step, a.Name, a.Role, number(absolute), number(relative), "", differs}
}
