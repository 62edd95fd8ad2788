package cpu

import "odepipe/pkg/tensor"

// View returns n samples of the shape in the memory of x from its sample first on, where a block begins.
func (be *Backend) View(x tensor.T, first, n int, sample tensor.Shape) tensor.T {
	from, room := floats(x)[first*x.Shape.Size():], blocks(n)*sample.Size()*lanes
	if x.N == 0 || n <= 0 || first%lanes != 0 || len(from) < room {
		panic("cpu: a view of what is not there")
	}
	return tensor.T{Buf: tensor.Buffer{F32: from[:room:room]}, N: n, Shape: sample}
}
