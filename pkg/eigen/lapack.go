//go:build !nolapack && (linux || darwin) && (amd64 || arm64)

package eigen

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// candidates are tried in turn where ODEPIPE_LAPACK names nothing: builds of LAPACK on a fast BLAS. The reference
// liblapack is not among them: on the reference BLAS it takes more than three times as long as the native solver.
var candidates = []string{
	"libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.2", "libmkl_rt.so.1", "libmkl_rt.so", "libflexiblas.so.3",
	"libopenblas.dylib", "/System/Library/Frameworks/Accelerate.framework/Accelerate",
}

// setThreads are the functions, int argument by value, that hold a library to a number of threads.
var setThreads = []string{"openblas_set_num_threads", "MKL_Set_Num_Threads", "flexiblas_set_num_threads"}

// library is a LAPACK that was found, or the zero value.
type library struct {
	name   string
	dsyevd uintptr
}

// lapack is the library of this process, looked for once. The environment variable ODEPIPE_LAPACK is the path of the
// one to use, or "none". A library that does not load, or lacks dsyevd, counts as absent.
var lapack = sync.OnceValue(func() library {
	paths := candidates
	switch path := os.Getenv("ODEPIPE_LAPACK"); path {
	case "":
	case "none":
		return library{}
	default:
		paths = []string{path}
	}
	keepToOneThread()
	for _, path := range paths {
		handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			continue
		}
		dsyevd, err := purego.Dlsym(handle, "dsyevd_")
		if err != nil {
			continue
		}
		for _, name := range setThreads {
			if f, err := purego.Dlsym(handle, name); err == nil {
				purego.SyscallN(f, 1)
			}
		}
		return library{filepath.Base(path), dsyevd}
	}
	return library{}
})

// keepToOneThread tells OpenBLAS, in the environment that C sees and child processes do not, not to start a thread
// for each core as it is loaded: they would spin for a while beside the other stages of a pipe.
func keepToOneThread() {
	name, value := []byte("OPENBLAS_NUM_THREADS\x00"), []byte("1\x00")
	if setenv, err := purego.Dlsym(purego.RTLD_DEFAULT, "setenv"); err == nil {
		purego.SyscallN(setenv, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&value[0])), 1)
	}
}

// symmetric is a solver. dsyevd overwrites a with the eigenvectors as columns, column-major: in our order, as rows.
// Every integer is handed over as the 64-bit little-endian form of a small number, which is right for libraries with
// 32-bit and with 64-bit integers alike.
func (l library) symmetric(n int, a, values []float64, _ int) error {
	if n == 0 {
		return nil
	}
	vectorsToo, lower := byte('V'), byte('L')
	size, info := int64(n), int64(0)
	workSize, integerWorkSize := int64(1+6*n+2*n*n), int64(3+5*n)
	work, integerWork := make([]float64, workSize), make([]int64, integerWorkSize)
	purego.SyscallN(l.dsyevd, // keeps what the pointers in its arguments point to in place until it returns
		uintptr(unsafe.Pointer(&vectorsToo)), uintptr(unsafe.Pointer(&lower)), uintptr(unsafe.Pointer(&size)),
		uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&values[0])),
		uintptr(unsafe.Pointer(&work[0])), uintptr(unsafe.Pointer(&workSize)),
		uintptr(unsafe.Pointer(&integerWork[0])), uintptr(unsafe.Pointer(&integerWorkSize)),
		uintptr(unsafe.Pointer(&info)), 1, 1) // the lengths of the two strings
	if info != 0 {
		return fmt.Errorf("%w: dsyevd of %s returned %d", ErrNoConvergence, l.name, int32(info))
	}
	transpose(n, a, a)
	return nil
}
