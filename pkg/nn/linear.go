package nn

import (
	"fmt"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// linear builds y = W x + b on vectors: W [out, in], or [out, 1+in] on [t, x] with time = "concat".
func linear(s Spec, in tensor.Shape) (Layer, error) {
	if want := tensor.Of(s.In); in != want {
		return nil, fmt.Errorf("got input %v, expected %v: %w", in, want, ErrShape)
	}
	g := backend.Linear(s.In, s.Out, s.Time, !s.NoBias)
	return &Affine{Name: s.Name, Geometry: g, weight: tensor.Of(g.Out, g.Channels()), output: tensor.Of(g.Out), gain: s.Gain}, nil
}
