//go:build !cuda

package cuda

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the kernels as the host's compiler makes them (kernels/host.cc).
var library struct {
	sync.Mutex // its state is global
	once       sync.Once
	problem    string
	find       func(name string) uintptr
	launch     func(kernel uintptr, grid *uint32, threads uint32, values *uint64, sizes *int64, count int32) string
}

// buildLibrary compiles and opens the library.
func buildLibrary() {
	compiler, err := exec.LookPath("g++")
	if err != nil {
		library.problem = "there is no g++ to compile the kernels for the host"
		return
	}
	sources, _ := filepath.Glob("kernels/*")
	for _, name := range sources {
		os.ReadFile(name) // so that a cached result of the tests does not outlive a change
	}
	folder, err := os.MkdirTemp("", "odepipe")
	if err != nil {
		library.problem = err.Error()
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "kernels.so")
	build := exec.Command(compiler, "-std=c++17", "-O2", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE", "-shared", "-fPIC",
		"-o", path, "kernels/host.cc")
	if out, err := build.CombinedOutput(); err != nil {
		panic("cuda: the kernels do not compile for the host:\n" + string(out))
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		panic(err)
	}
	purego.RegisterLibFunc(&library.find, handle, "findKernel")
	purego.RegisterLibFunc(&library.launch, handle, "launchKernel")
}

// emulator is the device of tests. It multiplies column-major matrices where blas is set.
type emulator struct {
	memory   [][]float64 // so that nothing is collected
	launches map[string]int
	blas     bool
	room     int // bytes that may still be allocated
}

// NewDevice makes the backend under test, whose kernels run on the host. It skips the test where they cannot be compiled.
func NewDevice(t testing.TB) *Backend { return newEmulated(t, false) }

// NewDeviceWithBLAS has matrix products of cuBLAS too.
func NewDeviceWithBLAS(t testing.TB) *Backend { return newEmulated(t, true) }

func newEmulated(t testing.TB, blas bool) *Backend {
	library.once.Do(buildLibrary)
	if library.problem != "" {
		t.Skip(library.problem)
	}
	return newBackend(&emulator{launches: map[string]int{}, blas: blas, room: 4 << 30}, 1<<20)
}

// Launches counts the launches of a kernel on an emulated device.
func (be *Backend) Launches(kernel string) int { return be.dev.(*emulator).launches[kernel] }

// Limit leaves an emulated device so many bytes to allocate.
func (be *Backend) Limit(bytes int) { be.dev.(*emulator).room = bytes }

func (e *emulator) alloc(bytes int) (uintptr, error) {
	if e.room -= bytes; e.room < 0 {
		return 0, errors.New("out of memory")
	}
	memory := make([]float64, bytes/8)
	for i := range memory {
		memory[i] = math.Float64frombits(0x7fc000007fc00000) // two NaNs of single precision
	}
	e.memory = append(e.memory, memory)
	return uintptr(unsafe.Pointer(&memory[0])), nil
}

func (e *emulator) launch(kernel string, grid [3]int, threads int, arguments []uint64, lengths []int64) error {
	library.Lock()
	defer library.Unlock()
	k := library.find(kernel)
	if k == 0 {
		return errors.New("there is no such kernel")
	}
	e.launches[kernel]++
	extents := [3]uint32{uint32(grid[0]), uint32(grid[1]), uint32(grid[2])}
	if what := library.launch(k, &extents[0], uint32(threads), &arguments[0], &lengths[0], int32(len(arguments))); what != "" {
		return errors.New(what)
	}
	return nil
}

func (e *emulator) write(dst uintptr, src unsafe.Pointer, bytes int) error {
	copy(unsafe.Slice((*byte)(at(dst)), bytes), unsafe.Slice((*byte)(src), bytes))
	return nil
}

func (e *emulator) read(dst unsafe.Pointer, src uintptr, bytes int) error {
	copy(unsafe.Slice((*byte)(dst), bytes), unsafe.Slice((*byte)(at(src)), bytes))
	return nil
}

func (e *emulator) hasBLAS() bool { return e.blas }

func (e *emulator) sgemm(transA, transB bool, m, n, k int, a uintptr, lda int, b uintptr, ldb int, c uintptr, ldc int) error {
	e.launches["sgemm"]++
	element := func(p uintptr, row, col, ld int, transposed bool) *float32 {
		if transposed {
			row, col = col, row
		}
		return (*float32)(at(p + uintptr(4*(row+col*ld))))
	}
	for i := range m {
		for j := range n {
			sum := float32(0)
			for l := range k {
				sum += *element(a, i, l, lda, transA) * *element(b, l, j, ldb, transB)
			}
			*element(c, i, j, ldc, false) = sum
		}
	}
	return nil
}

func (e *emulator) close() { e.memory = nil }

// at is an address in the emulator's memory as a pointer.
func at(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }
