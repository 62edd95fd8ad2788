package cli

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
)

// Backend makes the backend that computes a model of the given element type on --device with --threads.
func (c *Context) Backend(d tensor.DType) (backend.Backend, error) {
	if d == tensor.Float64 {
		return ref.New(), nil
	}
	return cpu.New(c.Threads), nil
}
