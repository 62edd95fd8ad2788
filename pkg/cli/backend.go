package cli

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
)

// Backend makes the backend for a model's element type on the device and with the threads that the flags ask for:
// float64 runs on ref, float32 on cpu. The caller closes it.
func (c *Context) Backend(d tensor.DType) backend.Backend {
	if d == tensor.Float64 {
		return ref.New()
	}
	return cpu.New(c.Threads)
}
