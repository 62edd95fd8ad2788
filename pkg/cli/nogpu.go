//go:build !cuda

package cli

import "odepipe/pkg/backend"

// openGPU is nil: this build has no CUDA.
var openGPU func(number int, tf32 bool) (backend.Backend, error)
