package pipeline

import (
	"errors"
	"fmt"
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/model"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// ErrMismatch says that two inputs of a stage do not belong together: stream and parameters, checkpoint and gradient.
var ErrMismatch = errors.New("pipeline: inputs do not belong together")

// ErrNonFinite is a NaN or an infinity where a number was due; exit status 3.
var ErrNonFinite error = nonFinite{}

type nonFinite struct{}

func (nonFinite) Error() string   { return "pipeline: not finite" }
func (nonFinite) Numerical() bool { return true }

// networkOf builds the network that a stream's or checkpoint's header carries.
func networkOf(h wire.Header) (*model.Network, error) {
	spec, err := model.Parse(h.Model)
	if err != nil {
		return nil, err
	}
	return model.NewNetwork(spec)
}

// networkOfParams builds the network of a parameter stream or checkpoint, when its header has come.
func networkOfParams(params wire.ParamSource) (wire.Header, *model.Network, error) {
	header, dtype, err := params.Header()
	if err != nil {
		return header, nil, err
	}
	n, err := networkOf(header)
	if err != nil {
		return header, nil, err
	}
	return header, n, ofType(n, dtype)
}

// ofType refuses parameters of another element type than their model's.
func ofType(n *model.Network, dtype tensor.DType) error {
	if n.Spec.DType != dtype {
		return fmt.Errorf("numbers are %s, the model's dtype is %s: %w", dtype, n.Spec.DType, ErrMismatch)
	}
	return nil
}

// sameModel refuses a stream made with another model than the parameters'.
func sameModel(stream, params wire.Header) error {
	if stream.ModelSHA256 == params.ModelSHA256 {
		return nil
	}
	return fmt.Errorf("the stream was made with another model (%.12s...) than the parameters (%.12s...): %w",
		stream.ModelSHA256, params.ModelSHA256, ErrMismatch)
}

// weights are the parameters of one step on a backend.
type weights struct {
	values  []tensor.T // in the order of Network.Params
	t1      []float64  // of the ODE blocks in order
	refresh bool       // the optimizer wants this step's Kronecker factors
}

// upload checks a parameter set against the network and moves it to arena memory of be.
func upload(be backend.Backend, n *model.Network, set *wire.Set) (weights, error) {
	var w weights
	for _, p := range n.Params {
		host, err := valueOf(set, wire.Param, p.Name, p.Shape)
		if err != nil {
			return w, err
		}
		value := be.Plain(p.Shape)
		be.Upload(value, host)
		w.values = append(w.values, value)
	}
	var err error
	if w.t1, err = endTimes(n, set); err != nil {
		return w, err
	}
	refresh, _ := set.Scalar("refresh")
	w.refresh = refresh != 0
	return w, nil
}

// endTimes are the t1 of the ODE blocks in order: the set's, or the model's where the set has none.
func endTimes(n *model.Network, set *wire.Set) ([]float64, error) {
	var times []float64
	for _, o := range n.ODEs() {
		t1 := o.T1
		if v, ok := set.Scalar(o.Name + ".t1"); ok {
			t1 = v
		}
		if length := t1 - o.T0; length == 0 || math.IsNaN(length) || math.IsInf(length, 0) {
			return nil, fmt.Errorf("step %d: block %s cannot end at t1 = %g with t0 = %g: %w", set.Step, o.Name, t1, o.T0, ErrMismatch)
		}
		times = append(times, t1)
	}
	return times, nil
}

// chain and cell are the weights that a segment owns, those of its layers or field and those of its cell.
func (w weights) chain(s model.Segment) []tensor.T {
	return w.values[s.Params[0]:][:len(s.Chain.Params())]
}

func (w weights) cell(s model.Segment) []tensor.T {
	return w.values[s.Params[0]:s.Params[1]][len(s.Chain.Params()):]
}
