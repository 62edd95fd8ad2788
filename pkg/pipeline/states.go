package pipeline

import (
	"fmt"
	"math"
	"slices"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/loss"
	"odepipe/pkg/model"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// columns are those of the output, without data.
func (f *forward) columns(own []wire.Column) []wire.Column {
	all := slices.Clone(own)
	add := func(name string, shape tensor.Shape) {
		all = append(all, wire.Column{Name: name, Type: wire.Values, Shape: shape.Dims(), DType: f.be.DType()})
	}
	for _, s := range f.net.Segments {
		if s.ODE == nil {
			continue
		}
		if s.Cell != nil {
			add(s.ODE.Name+".x1", tensor.Of(s.In.Dim[0]-1, s.ODE.Series.Hidden))
			continue
		}
		if f.keepInitial || s.ODE.Flow != nil {
			add(s.ODE.Name+".x0", s.Chain.In)
		}
		add(s.ODE.Name+".x1", s.Chain.Out)
		kinetic, jacobian := f.costs(s.ODE)
		if kinetic {
			add(s.ODE.Name+".kinetic", tensor.Shape{})
		}
		if jacobian {
			add(s.ODE.Name+".jacobian", tensor.Shape{})
		}
	}
	add("pred", f.net.Pred)
	add("loss", tensor.Shape{})
	return append(all, wire.Column{Name: "nfe", Type: wire.Int32})
}

// ends adds the states of a block at the ends of its interval: a flow starts at t1.
func (f *forward) ends(o *model.ODESpec, start, end tensor.T) {
	switch {
	case o.Flow != nil:
		f.column(o.Name+".x0", end)
		f.column(o.Name+".x1", start)
		return
	case f.keepInitial:
		f.column(o.Name+".x0", start)
	}
	f.column(o.Name+".x1", end)
}

// costs says which integrals along a block's path are columns.
func (f *forward) costs(o *model.ODESpec) (kinetic, jacobian bool) {
	return f.pathCosts || o.Costs != model.Costs{}, f.pathCosts || o.Costs.Jacobian != 0
}

func (f *forward) pathColumns(o *model.ODESpec, end adjoint.End) {
	add := func(name string, integral []float64) {
		value := f.host.values(o.Name+name, len(integral))
		for n, v := range integral {
			value.Set(n, v)
		}
		f.out.Columns = append(f.out.Columns, wire.Column{Name: o.Name + name, Type: wire.Values, DType: f.be.DType(), Value: value})
	}
	kinetic, jacobian := f.costs(o)
	if kinetic {
		add(".kinetic", end.Kinetic)
	}
	if jacobian {
		add(".jacobian", end.Jacobian)
	}
}

// column downloads a batch into a new output column.
func (f *forward) column(name string, x tensor.T) tensor.Buffer {
	value := f.host.values(name, x.Size())
	f.be.Download(value, x)
	f.out.Columns = append(f.out.Columns, wire.Column{Name: name, Type: wire.Values, Shape: x.Shape.Dims(), DType: f.be.DType(), Value: value})
	return value
}

// judge adds the columns pred and loss. change is what a flow adds to the log-density of its base.
func (f *forward) judge(y tensor.T, target loss.Target, change []float64) error {
	width := f.net.Output.Size()
	state := make([]float64, y.Size())
	f.be.Download(tensor.Buffer{F64: state}, y)
	losses := f.host.values("loss", f.out.Rows)
	for n := range f.out.Rows {
		l := f.net.Loss.Row(state[n*width:(n+1)*width], nil, target, n) - change[n]
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return fmt.Errorf("sample %d: the loss is %g: %w", n, l, ErrNonFinite)
		}
		losses.Set(n, l)
	}
	if f.net.Loss.Density {
		density := f.host.values("pred", f.out.Rows)
		for n := range f.out.Rows {
			density.Set(n, -losses.At(n))
		}
		f.out.Columns = append(f.out.Columns, wire.Column{Name: "pred", Type: wire.Values, Shape: []int{1}, DType: f.be.DType(), Value: density})
	} else {
		f.column("pred", y)
	}
	f.out.Columns = append(f.out.Columns, wire.Column{Name: "loss", Type: wire.Values, DType: f.be.DType(), Value: losses})
	return nil
}

// mean of the elements; 0 of none.
func mean(values tensor.Buffer) float64 {
	sum := 0.0
	for i := range values.Len() {
		sum += values.At(i)
	}
	return sum / float64(max(values.Len(), 1))
}
