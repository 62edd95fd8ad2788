package main

import (
	"io"
	"time"

	"odepipe/pkg/cli"
	"odepipe/pkg/dataset"
	"odepipe/pkg/wire"
)

// stream writes the mini-batches [first, end) while it prepares the next.
func stream(c *cli.Context, out io.Writer, source *source, first, end int64) error {
	begin, rows := time.Now(), 0
	w := wire.NewSampleWriter(out, wire.Header{Kind: wire.Batch, Dataset: source.set.Name, Split: source.set.Split})
	if err := w.Start(source.empty(0).Columns); err != nil {
		return err
	}
	progress := c.Progress(end-first, "mini-batches")
	ready, free := source.produce(first, end, source.empty(source.order.Size()), source.empty(source.order.Size()))
	for filled := range ready {
		if filled.err != nil {
			return filled.err
		}
		if err := w.Write(filled.Samples); err != nil {
			return err
		}
		rows += filled.Rows
		progress.Advance(1, "")
		free <- filled.Samples
	}
	if err := w.Close(); err != nil {
		return err
	}
	c.Log(map[string]any{"mini_batches": end - first, "rows": rows, "seconds": time.Since(begin).Seconds()})
	return nil
}

// source fills mini-batches.
type source struct {
	set     *dataset.Set
	order   *dataset.Order
	changes dataset.Augment // of x; none by default
}

// The columns that stand before those of the set.
const (
	stepColumn = iota
	epochColumn
	indexColumn
	ownColumns
)

// empty is the table with room for as many rows.
func (s *source) empty(rows int) *wire.Samples {
	columns := []wire.Column{
		stepColumn:  {Name: "step", Type: wire.Int64, I64: make([]int64, rows)},
		epochColumn: {Name: "epoch", Type: wire.Int32, I32: make([]int32, rows)},
		indexColumn: {Name: "index", Type: wire.Int64, I64: make([]int64, rows)},
	}
	for i := range s.set.Columns {
		from := &s.set.Columns[i]
		to := wire.Column{Name: from.Name}
		if from.Ints != nil {
			to.Type, to.I32 = wire.Int32, make([]int32, rows)
		} else {
			to.Type, to.Shape, to.DType = wire.Values, from.Shape.Dims(), from.DType()
			to.Value = to.DType.Make(rows * from.Shape.Size())
		}
		columns = append(columns, to)
	}
	return &wire.Samples{Rows: rows, Columns: columns}
}

// filling is a mini-batch, or the error instead of it, after which nothing follows.
type filling struct {
	*wire.Samples
	err error
}

// produce fills the mini-batches of the steps [first, end) in turn and sends them; it takes each buffer back from free
// before it fills it again.
func (s *source) produce(first, end int64, buffers ...*wire.Samples) (ready <-chan filling, free chan<- *wire.Samples) {
	filled, empty := make(chan filling), make(chan *wire.Samples, len(buffers))
	for _, buffer := range buffers {
		empty <- buffer
	}
	go func() {
		defer close(filled)
		for step := first; step < end; step++ {
			samples := <-empty
			err := s.fill(samples, step)
			filled <- filling{samples, err}
			if err != nil {
				return
			}
		}
	}()
	return filled, empty
}

// fill overwrites samples with the mini-batch of a step.
func (s *source) fill(samples *wire.Samples, step int64) error {
	own := samples.Columns
	index, epoch := s.order.Step(own[indexColumn].I64, step)
	rows := len(index)
	samples.Rows = rows
	own[indexColumn].I64 = index
	own[stepColumn].I64 = own[stepColumn].I64[:rows]
	own[epochColumn].I32 = own[epochColumn].I32[:rows]
	for i := range rows {
		own[stepColumn].I64[i], own[epochColumn].I32[i] = step, epoch
	}
	for i := range s.set.Columns {
		from, to := &s.set.Columns[i], &own[ownColumns+i]
		if from.Ints != nil {
			to.I32 = to.I32[:rows]
			from.GatherInts(to.I32, index)
		} else {
			to.Value = to.Value.Slice(0, rows*from.Shape.Size())
			if err := from.GatherValues(to.Value, index); err != nil {
				return err
			}
		}
		if i == 0 {
			s.changes.Apply(from, to.Value, index, step)
		}
	}
	return nil
}
