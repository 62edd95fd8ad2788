package pipeline

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/loss"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// ForwardOptions are odeforward's.
type ForwardOptions struct {
	Backend     func(tensor.DType) (backend.Backend, error)
	KeepInitial bool       // write <block>.x0 too
	PathCosts   bool       // write <block>.kinetic and <block>.jacobian for every block, not only where they are part of the loss
	Divergence  Divergence // of flows
	Trace       io.Writer  // for a row of every attempted step; nil: none
	Dump        *Dump      // for the mini-batch of a numerical failure; nil: none
	Limits      wire.Limits
	Done        func(BatchRecord) // called after each mini-batch; may be nil
}

// Divergence says how odeforward computes the divergence of flows.
type Divergence string

// The choices of --divergence.
const (
	AutoDivergence  Divergence = "auto"  // exact, but on a training split the model's
	ModelDivergence Divergence = "model" // as the model file says
	ExactDivergence Divergence = "exact" // by all unit vectors
)

// Divergences lists them in display order.
var Divergences = []string{string(AutoDivergence), string(ModelDivergence), string(ExactDivergence)}

// exact says whether flows have their divergence by all unit vectors on a split, "train" or "RULE:train:SEED".
func (d Divergence) exact(split string) bool {
	return d == ExactDivergence || d != ModelDivergence && split != "" && !slices.Contains(strings.Split(split, ":"), "train")
}

// Forward reads mini-batches, runs the model on each with the parameters that belong to it, and writes the states at
// t1 of every ODE block, the outputs and the loss of every sample. It closes out when the states are complete, and then
// reads the parameter stream to its end.
func Forward(params wire.ParamSource, in io.Reader, out io.WriteCloser, o ForwardOptions) error {
	source, err := openInput(in, wire.Batch, o.Limits)
	if err != nil {
		return err
	}
	header, n, err := networkOfParams(params)
	if err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if err := checkColumn(source.columns, "x", n.Spec.Input); err != nil {
		return inInput(err)
	}
	be, err := o.Backend(n.Spec.DType)
	if err != nil {
		return err
	}
	defer be.Close()
	own := wire.Header{Kind: wire.State, Model: header.Model, ModelSHA256: header.ModelSHA256, Dataset: source.header.Dataset, Split: source.header.Split}
	f := &forward{be: be, net: n, keepInitial: o.KeepInitial, pathCosts: o.PathCosts, exact: o.Divergence.exact(source.header.Split), host: hostBuffers{dtype: n.Spec.DType},
		tracer: newTracer(o.Trace, own, wire.Forward)}
	writer := wire.NewSampleWriter(out, own)
	if err := f.run(source, writer, params, o.Dump, o.Done); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return finishParams(params)
}

// checkColumn wants a column of floating-point tensors of a shape.
func checkColumn(columns []wire.Column, name string, shape tensor.Shape) error {
	i := slices.IndexFunc(columns, func(c wire.Column) bool { return c.Name == name })
	if i < 0 || columns[i].Type != wire.Values {
		return fmt.Errorf("there is no column %s of values: %w", name, ErrMismatch)
	}
	if got := columns[i].Shape; !slices.Equal(got, shape.Dims()) {
		return fmt.Errorf("column %s has samples of shape %v, the model expects %v: %w", name, tensor.Of(got...), shape, ErrMismatch)
	}
	return nil
}

// atZero is the time of plain layers, on which they do not depend.
var atZero = []float64{0}

type forward struct {
	be          backend.Backend
	net         *model.Network
	keepInitial bool
	pathCosts   bool
	exact       bool
	tracer      *tracer
	host        hostBuffers
	out         wire.Samples
}

func (f *forward) run(source *input, writer *wire.SampleWriter, params wire.ParamSource, dump *Dump, done func(BatchRecord)) error {
	var batch wire.Samples
	watch := stopwatch{time.Now()}
	for k := 0; ; k++ {
		if err := source.next(&batch); err == io.EOF {
			if err := writer.Start(f.columns(source.columns)); err != nil { // where no mini-batch did
				return err
			}
			if err := f.tracer.close(); err != nil {
				return err
			}
			return writer.Close()
		} else if err != nil {
			return err
		}
		step := stepOf(&batch, k)
		set, err := nextParams(params, step)
		if err != nil {
			return err
		}
		record := BatchRecord{Step: step, Wait: watch.lap()}
		mark := f.be.Mark()
		if err = f.batch(&batch, set, step); err == nil {
			err = f.be.Err()
		}
		f.be.Release(mark)
		if traced := f.tracer.write(step); err == nil { // a failed solve's steps are the ones to look at
			err = traced
		}
		if err != nil {
			err = fmt.Errorf("mini-batch %d: %w", step, err)
			return dump.keep(err, "odeforward", step, paramsContent(params, set), samplesContent(source.header, &batch, step))
		}
		record.Loss, record.Compute = mean(f.out.Column("loss").Value), watch.lap()
		if err := writer.Write(&f.out); err != nil {
			return err
		}
		record.Write = watch.lap()
		if done != nil {
			done(record)
		}
	}
}

// stepOf is the mini-batch's number: its column step, or its position in a stream that has none.
func stepOf(s *wire.Samples, position int) int64 {
	if c := s.Column("step"); c != nil && c.Type == wire.Int64 {
		return c.I64[0]
	}
	return int64(position)
}

// batch computes one mini-batch into f.out.
func (f *forward) batch(batch *wire.Samples, set *wire.Set, step int64) error {
	w, err := upload(f.be, f.net, set)
	if err != nil {
		return err
	}
	target, err := targetOf(f.net, batch)
	if err != nil {
		return err
	}
	f.out.Rows = batch.Rows
	f.out.Columns = append(f.out.Columns[:0], batch.Columns...)
	x := inputOf(f.be, f.net, batch)
	blocks, err := newBlocks(f.be, f.net, w, batch, step)
	if err != nil {
		return err
	}
	blocks.measure, blocks.exact, blocks.tracer = f.pathCosts, f.exact, f.tracer
	change := make([]float64, batch.Rows) // of the log-density on the way to the base
	evaluations, ode := 0, 0
	for _, s := range f.net.Segments {
		y := f.be.Batch(batch.Rows, s.Chain.Out)
		mark := f.be.Mark()
		n, err := f.segment(blocks, s, ode, batch, y, x, change)
		f.be.Release(mark)
		if err != nil {
			return err
		}
		if s.ODE != nil {
			ode++
		}
		x, evaluations = y, evaluations+n
	}
	if err := f.judge(x, target, change); err != nil {
		return err
	}
	nfe := f.host.int32s("nfe", batch.Rows)
	for i := range nfe {
		nfe[i] = int32(evaluations)
	}
	f.out.Columns = append(f.out.Columns, wire.Column{Name: "nfe", Type: wire.Int32, I32: nfe})
	return nil
}

// segment writes what a segment makes of x, and adds to change what a flow changes. index counts the ODE blocks. It returns
// the number of evaluations.
func (f *forward) segment(b *blocks, s model.Segment, index int, batch *wire.Samples, y, x tensor.T, change []float64) (int, error) {
	if s.ODE == nil {
		b.plain(s, y, x)
		return 0, nil
	}
	field := s.Chain.Bind(f.be, batch.Rows, b.weights.chain(s))
	if s.Cell != nil {
		return f.series(b, s, field, batch, y)
	}
	problem, err := b.problem(s, index, field)
	if err != nil {
		return 0, err
	}
	problem.AllowSolve(x.N, x.Shape)
	end, err := adjoint.Solve(problem, x, nil)
	if err != nil {
		return 0, err
	}
	f.ends(s.ODE, x, end.X)
	if s.ODE.Flow != nil {
		for n, d := range end.Divergence {
			change[n] += d
		}
	}
	f.pathColumns(s.ODE, end)
	f.be.Combine(y, []float64{1}, end.X)
	return end.Stats.Evaluations, nil
}

// inputOf uploads the column x; that of a series is read point by point.
func inputOf(be backend.Backend, n *model.Network, batch *wire.Samples) tensor.T {
	if n.Segments[0].Cell != nil {
		return tensor.T{N: batch.Rows, Shape: n.Spec.Input}
	}
	x := be.Batch(batch.Rows, n.Spec.Input)
	be.Upload(x, batch.Column("x").Value)
	return x
}

// series runs an ODE-RNN block and writes its result; its column x1 has the states at the ends of the intervals, zeros
// beyond the longest series.
func (f *forward) series(b *blocks, s model.Segment, field *nn.Bound, batch *wire.Samples, y tensor.T) (int, error) {
	series, err := b.series(s, field, s.Cell.Bind(f.be, batch.Rows, b.weights.cell(s)), batch)
	if err != nil {
		return 0, err
	}
	series.AllowSolve(batch.Rows, series.Hidden)
	intervals, m := s.In.Dim[0]-1, s.ODE.Series.Hidden
	column := f.host.values(s.ODE.Name+".x1", batch.Rows*intervals*m)
	column.Clear()
	state := f.host.values(s.ODE.Name+".state", batch.Rows*m)
	h, stats, err := series.Solve(func(i int, x1 tensor.T) {
		f.be.Download(state, x1)
		interval(column, state, i, batch.Rows, intervals, m, false)
	})
	if err != nil {
		return stats.Evaluations, err
	}
	f.be.Combine(y, []float64{1}, h)
	f.out.Columns = append(f.out.Columns, wire.Column{Name: s.ODE.Name + ".x1", Type: wire.Values, Shape: []int{intervals, m}, DType: f.be.DType(), Value: column})
	return stats.Evaluations, nil
}

// targetOf takes the samples' y and checks it against the model's output and loss.
func targetOf(n *model.Network, s *wire.Samples) (loss.Target, error) {
	var target loss.Target
	if c := s.Column("y"); c != nil {
		switch c.Type {
		case wire.Int32:
			target.Class = c.I32
		case wire.Values:
			target.Values, target.Shape = c.Value, c.Shape
		}
	}
	return target, n.Loss.Check(n.Output, target, s.Rows)
}
