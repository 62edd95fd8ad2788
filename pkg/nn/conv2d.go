package nn

import (
	"fmt"

	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// conv2d builds a 2-d convolution (cross-correlation, as PyTorch's) of images [in, H, W] with weight
// [out, in, kernel, kernel], or [out, 1+in, kernel, kernel] with time = "concat".
func conv2d(s Spec, in tensor.Shape) (Layer, error) {
	if in.Rank != 3 || in.Dim[0] != s.In {
		return nil, fmt.Errorf("got input %v, expected [%d, height, width]: %w", in, s.In, ErrShape)
	}
	g := backend.Conv{In: s.In, Out: s.Out, H: in.Dim[1], W: in.Dim[2], Kernel: s.Kernel, Stride: max(s.Stride, 1),
		Padding: s.Padding, Time: s.Time, Bias: !s.NoBias}
	if g.OH() < 1 || g.OW() < 1 {
		return nil, fmt.Errorf("a %d x %d window with padding %d does not fit into %v: %w", s.Kernel, s.Kernel, s.Padding, in, ErrShape)
	}
	return &Affine{Name: s.Name, Geometry: g, weight: tensor.Of(g.Out, g.Channels(), g.Kernel, g.Kernel),
		output: tensor.Of(g.Out, g.OH(), g.OW()), gain: s.Gain}, nil
}
