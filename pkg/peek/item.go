package peek

import (
	"fmt"
	"io"
	"math"
	"path"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// Roles of items that are no rows of the tensor table.
const (
	Column = "column" // of the sample table: a number or tensor for each sample
	Trace  = "trace"  // of the trace: a number for each attempted step, named <block>.<direction>.<column>
)

// Item is one array of numbers in a stream. Value [Shape...] is row-major and lives until the next batch.
type Item struct {
	Step  int64
	Name  string
	Role  string
	Shape []int
	Value tensor.Buffer
}

// Filter chooses items; its zero value chooses all but those of other steps than 0, so that Everything is the one to start from.
type Filter struct {
	Step int64  // below 0: every step
	Name string // pattern with * and ?; empty: every name
	Role string // empty: every role
}

// Everything chooses every item.
var Everything = Filter{Step: -1}

// Check returns path.ErrBadPattern for a name that is no pattern.
func (f Filter) Check() error {
	_, err := path.Match(f.Name, "")
	return err
}

func (f Filter) has(i *Item) bool {
	named, _ := path.Match(f.Name, i.Name)
	return (f.Step < 0 || f.Step == i.Step) && (f.Name == "" || named) && (f.Role == "" || f.Role == i.Role)
}

// batches gives the items of one batch of a stream after the other.
type batches struct {
	stream  *wire.Stream
	filter  Filter
	count   int64
	samples wire.Samples
	set     wire.Set
	trace   wire.TraceBatch
	items   []Item
}

// next returns the items of the next batch that the filter chooses, or io.EOF when the end of the stream is proven.
func (b *batches) next() ([]Item, error) {
	b.items = b.items[:0]
	var err error
	switch s := b.stream; {
	case s.Samples != nil:
		if err = s.Samples.Next(&b.samples); err == nil {
			b.addSamples()
		}
	case s.Tensors != nil:
		if err = s.Tensors.Next(&b.set); err == nil {
			for _, t := range b.set.Tensors {
				b.add(Item{b.set.Step, t.Name, string(t.Role), t.Shape, t.Value})
			}
		}
	default:
		if err = s.Trace.Next(&b.trace); err == nil {
			b.addTrace()
		}
	}
	b.count++
	return b.items, err
}

func (b *batches) add(i Item) {
	if b.filter.has(&i) {
		b.items = append(b.items, i)
	}
}

// addSamples makes an item [rows, shape...] of every column of a mini-batch, whose step is that of its first row.
func (b *batches) addSamples() {
	step := b.count
	if c := b.samples.Column("step"); c != nil && len(c.I64) > 0 {
		step = c.I64[0]
	}
	for _, c := range b.samples.Columns {
		value := c.Value
		switch c.Type {
		case wire.Int64:
			value = floats(c.I64)
		case wire.Int32:
			value = floats(c.I32)
		}
		b.add(Item{step, c.Name, Column, append([]int{b.samples.Rows}, c.Shape...), value})
	}
}

// floats are integers as numbers; beyond 2^53 they are rounded.
func floats[T int32 | int64](values []T) tensor.Buffer {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return tensor.Buffer{F64: out}
}

// traceColumns are the numbers of a row of the trace.
var traceColumns = []struct {
	name string
	of   func(*wire.TraceRow) float64
}{
	{"t", func(r *wire.TraceRow) float64 { return r.T }},
	{"h", func(r *wire.TraceRow) float64 { return r.H }},
	{"error", func(r *wire.TraceRow) float64 { return r.Error }},
	{"accepted", func(r *wire.TraceRow) float64 {
		if r.Accepted {
			return 1
		}
		return 0
	}},
	{"evaluations", func(r *wire.TraceRow) float64 { return float64(r.Evaluations) }},
	{"seconds", func(r *wire.TraceRow) float64 { return r.Seconds }},
}

// addTrace makes an item [rows] of every column of every block and direction, in the order in which they occur.
func (b *batches) addTrace() {
	type solve struct {
		block     string
		direction wire.Direction
	}
	var order []solve
	rows := map[solve][]*wire.TraceRow{}
	for i := range b.trace.Rows {
		r := &b.trace.Rows[i]
		s := solve{r.Block, r.Direction}
		if rows[s] == nil {
			order = append(order, s)
		}
		rows[s] = append(rows[s], r)
	}
	for _, s := range order {
		for _, c := range traceColumns {
			values := make([]float64, len(rows[s]))
			for i, r := range rows[s] {
				values[i] = c.of(r)
			}
			name := fmt.Sprintf("%s.%s.%s", s.block, s.direction, c.name)
			b.add(Item{b.trace.Step, name, Trace, []int{len(values)}, tensor.Buffer{F64: values}})
		}
	}
}

// each calls do with every item that the filter chooses, to the proven end of the stream.
func each(s *wire.Stream, f Filter, do func(*Item) error) error {
	b := batches{stream: s, filter: f}
	for {
		items, err := b.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range items {
			if err := do(&items[i]); err != nil {
				return err
			}
		}
	}
}

// finite tells whether a number is neither NaN nor infinite.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
