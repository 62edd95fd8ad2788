package cuda

import "unsafe"

// device runs kernels and copies in the order in which they are asked for. Its methods are called by one goroutine, which
// Backend's user is; after an error nothing more is asked of it but close.
type device interface {
	alloc(bytes int) (uintptr, error)

	// launch starts a kernel on a grid of blocks of so many threads. Arguments are 8 bytes each; lengths has the number of
	// elements behind those that are pointers.
	launch(kernel string, grid [3]int, threads int, arguments []uint64, lengths []int64) error

	write(dst uintptr, src unsafe.Pointer, bytes int) error // src may be reused at once
	read(dst unsafe.Pointer, src uintptr, bytes int) error  // waits for everything before it

	// sgemm is cuBLAS's c = op(a) op(b) on column-major matrices, op(a) [m, k], op(b) [k, n], with leading dimensions, where
	// hasBLAS says that it is there.
	sgemm(transA, transB bool, m, n, k int, a uintptr, lda int, b uintptr, ldb int, c uintptr, ldc int) error
	hasBLAS() bool

	close()
}
