package optim

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// numbers are a few scalars that later steps depend on. They live in a tensor of the backend's element type, so that
// what a checkpoint holds of them is all there is.
type numbers struct {
	be     backend.Backend
	tensor tensor.T
}

// newNumbers are n zeros.
func newNumbers(be backend.Backend, n int) numbers { return numbers{be, zeros(be, tensor.Of(n))} }

func (n numbers) get() []float64 {
	host := tensor.Buffer{F64: make([]float64, n.tensor.Size())}
	n.be.Download(host, n.tensor)
	return host.F64
}

// rounded is x as the element type has it.
func rounded(d tensor.DType, x float64) float64 {
	one := d.Make(1)
	one.Set(0, x)
	return one.At(0)
}

// set rounds the values to the element type.
func (n numbers) set(values ...float64) { n.be.Upload(n.tensor, tensor.Buffer{F64: values}) }
