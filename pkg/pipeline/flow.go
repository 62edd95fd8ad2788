package pipeline

import (
	"fmt"
	"io"
	"math/rand/v2"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/backend"
	"odepipe/pkg/model"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// SampleOptions are evalmodel sample's.
type SampleOptions struct {
	Backend      func(tensor.DType) (backend.Backend, error)
	Count, Batch int
	Seed         uint64
}

// flowOf is the network of the parameters, which must be a flow, and its parameters.
func flowOf(params wire.ParamSource) (wire.Header, *model.Network, *wire.Set, error) {
	header, n, err := networkOfParams(params)
	if err != nil {
		return header, nil, nil, fmt.Errorf("parameters: %w", err)
	}
	if !n.Loss.Density {
		return header, nil, nil, fmt.Errorf("model %q is no flow: %w", n.Spec.Name, ErrMismatch)
	}
	set, err := params.Next()
	return header, n, set, err
}

// Sample draws from a flow: standard normal variates go through its blocks from the base at t0 to data at t1, the last
// block first. It writes mini-batches with the columns step, epoch, index and x, as datagen does.
func Sample(params wire.ParamSource, out io.WriteCloser, o SampleOptions) error {
	header, n, set, err := flowOf(params)
	if err != nil {
		return err
	}
	be, err := o.Backend(n.Spec.DType)
	if err != nil {
		return err
	}
	defer be.Close()
	w, err := upload(be, n, set)
	if err != nil {
		return err
	}
	writer := wire.NewSampleWriter(out, wire.Header{Kind: wire.Batch, Dataset: n.Spec.Name, Split: "sample",
		Model: header.Model, ModelSHA256: header.ModelSHA256})
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	for first := 0; first < o.Count; first += o.Batch {
		rows := min(o.Batch, o.Count-first)
		mark := be.Mark()
		x, err := draw(be, n, w, rows, rng)
		be.Release(mark)
		if err != nil {
			return fmt.Errorf("samples from %d: %w", first, err)
		}
		if err := writer.Write(points(x, n.Spec.Input, first, first/o.Batch)); err != nil {
			return err
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	return out.Close()
}

// draw makes samples of the data [rows, d].
func draw(be backend.Backend, n *model.Network, w weights, rows int, rng *rand.Rand) (tensor.Buffer, error) {
	host := n.Spec.DType.Make(rows * n.Output.Size())
	for i := range host.Len() {
		host.Set(i, rng.NormFloat64())
	}
	x := be.Batch(rows, n.Output)
	be.Upload(x, host)
	for i := len(n.Segments) - 1; i >= 0; i-- {
		s := n.Segments[i]
		bound := s.Chain.Bind(be, rows, w.chain(s))
		p := &adjoint.Problem{Backend: be, Field: bound, Params: s.Chain.Params(), Block: s.ODE.Name, T0: s.ODE.T0, T1: w.t1[i], Forward: s.ODE.Solver}
		p.AllowSolve(rows, s.Chain.In)
		end, err := adjoint.Solve(p, x, nil)
		if err != nil {
			return host, err
		}
		x = end.X
	}
	be.Download(host, x)
	return host, be.Err()
}

// points are a mini-batch of x [rows, d].
func points(x tensor.Buffer, shape tensor.Shape, first, step int) *wire.Samples {
	rows := x.Len() / shape.Size()
	steps, epochs, index := make([]int64, rows), make([]int32, rows), make([]int64, rows)
	for n := range rows {
		steps[n], index[n] = int64(step), int64(first+n)
	}
	return &wire.Samples{Rows: rows, Columns: []wire.Column{
		{Name: "step", Type: wire.Int64, I64: steps}, {Name: "epoch", Type: wire.Int32, I32: epochs}, {Name: "index", Type: wire.Int64, I64: index},
		{Name: "x", Type: wire.Values, Shape: shape.Dims(), Value: x}}}
}

// DensityOptions are evalmodel density's.
type DensityOptions struct {
	Backend func(tensor.DType) (backend.Backend, error)
	Lo, Hi  [2]float64 // corners of a rectangle
	Points  int        // along each side
	Limits  wire.Limits
}

// Density evaluates the log-density of a flow on two features, exactly, on a grid of cell centres, the second feature
// running faster. It writes odeforward's table, a mini-batch for each row of the grid: x, pred (the log-density) and so on.
func Density(params wire.ParamSource, out io.WriteCloser, o DensityOptions) error {
	_, n, _, err := flowOf(params)
	if err != nil {
		return err
	}
	if n.Spec.Input.Size() != 2 {
		return fmt.Errorf("model %q has %d features, a grid has 2: %w", n.Spec.Name, n.Spec.Input.Size(), ErrMismatch)
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeGrid(writer, n, o)) }()
	defer reader.Close()
	return Forward(params, reader, out, ForwardOptions{Backend: o.Backend, Divergence: ExactDivergence, Limits: o.Limits})
}

// writeGrid writes the grid as mini-batches.
func writeGrid(w io.Writer, n *model.Network, o DensityOptions) error {
	writer := wire.NewSampleWriter(w, wire.Header{Kind: wire.Batch, Dataset: n.Spec.Name, Split: "grid"})
	for i := range o.Points {
		x := tensor.Buffer{F64: make([]float64, 2*o.Points)}
		for j := range o.Points {
			for d, k := range [2]int{i, j} {
				x.F64[2*j+d] = o.Lo[d] + (o.Hi[d]-o.Lo[d])*(float64(k)+0.5)/float64(o.Points)
			}
		}
		if err := writer.Write(points(x, n.Spec.Input, i*o.Points, i)); err != nil {
			return err
		}
	}
	return writer.Close()
}
