//go:build cuda

package cli

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cuda"
)

// openGPU makes the backend on a GPU.
var openGPU = func(number int, tf32 bool) (backend.Backend, error) { return cuda.Open(number, tf32) }
