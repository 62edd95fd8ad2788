package pipeline

import (
	"errors"
	"fmt"

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
	if spec.SHA256 != h.ModelSHA256 {
		return nil, fmt.Errorf("the model's text has SHA-256 %.12s..., the header says %.12s...: %w", spec.SHA256, h.ModelSHA256, wire.ErrCorrupt)
	}
	return model.NewNetwork(spec)
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
	for _, o := range n.ODEs() {
		t1 := o.T1
		if v, ok := set.Scalar(o.Name + ".t1"); ok {
			t1 = v
		}
		w.t1 = append(w.t1, t1)
	}
	refresh, _ := set.Scalar("refresh")
	w.refresh = refresh != 0
	return w, nil
}

// of is the part of the weights that a segment owns.
func (w weights) of(s model.Segment) []tensor.T { return w.values[s.Params[0]:s.Params[1]] }
