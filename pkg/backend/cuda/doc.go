// Package cuda is the float32 backend of NVIDIA GPUs. It has two halves:
//
//	Backend   geometry, memory, and which kernel runs over which grid: plain Go, the same for every device
//	device    launches and copies: the driver, through gorgonia.org/cu, with the build tag cuda (driver.go); in tests
//	          the kernels compiled for the host (kernels/host.h), which check every access
//
// A batch lies in memory as [n][h][w][c], without padding; everything affine is one tiled product whose operands gather
// patches as they go (kernels/product.cuh). Launches are asynchronous and in order; only Download, ScaledSquares, Dot,
// DotImage and large uploads wait for the device. The kernels are embedded as PTX, which scripts/build-ptx.sh makes.
//
// Absent on purpose: float64, managed memory, atomics (results do not depend on the order in which blocks run), and, but
// for large matrix products by cuBLAS where the machine has it, libraries.
package cuda
