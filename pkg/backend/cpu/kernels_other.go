//go:build !amd64

package cpu

// available lists the sets of kernels that this processor can run, the fastest first.
func available() []*kernels { return []*kernels{generic} }
