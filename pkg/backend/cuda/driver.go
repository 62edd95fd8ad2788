//go:build cuda

package cuda

/*
#include <cuda.h>
*/
import "C"

import (
	_ "embed"
	"fmt"
	"runtime"
	"unsafe"

	"gorgonia.org/cu"
)

// The kernels for GPUs from compute capability 8.0 and from 9.0 on; the driver compiles them and keeps the result.
var (
	//go:embed kernels/kernels_80.ptx
	kernels80 string
	//go:embed kernels/kernels_90.ptx
	kernels90 string
)

// pinnedBytes is the size of the host memory that the device reads and writes itself. Copies of up to a sixteenth of it go that way:
// those to the device do not wait then for what comes before them, those from it take no detour.
const (
	pinnedBytes = 1 << 20
	smallCopy   = pinnedBytes / 16
)

// driver is the device behind NVIDIA's driver. All its work is in the default stream, in order.
type driver struct {
	device     cu.Device
	module     cu.Module
	functions  map[string]cu.Function
	chunks     []cu.DevicePtr
	pinned     unsafe.Pointer
	waiting    int              // bytes at the start of pinned that copies to the device may still read
	parameters []unsafe.Pointer // of the launch in hand
	blas       *blas
}

// Open makes a backend on the GPU of that number. With tf32, cuBLAS may round the factors of its products to TF32. The calling
// goroutine stays on its thread, and alone uses the backend, until it closes it. An error says that there is no such GPU
// or that it cannot be used.
func Open(number int, tf32 bool) (*Backend, error) {
	runtime.LockOSThread()
	d := &driver{functions: map[string]cu.Function{}}
	if err := d.open(number, tf32); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("cuda: GPU %d: %w", number, err)
	}
	return newBackend(d, chunkFloats), nil
}

func (d *driver) open(number int, tf32 bool) error {
	count, err := cu.NumDevices()
	if err != nil {
		return fmt.Errorf("the NVIDIA driver says %w", err)
	}
	if number >= count {
		return fmt.Errorf("the NVIDIA driver has %d", count)
	}
	if d.device, err = cu.GetDevice(number); err != nil {
		return err
	}
	context, err := d.device.RetainPrimaryCtx() // the one that cuBLAS uses
	if err != nil {
		return err
	}
	if err := cu.SetCurrentContext(context); err != nil {
		d.device.ReleasePrimaryCtx()
		return err
	}
	if err := d.prepare(tf32); err != nil {
		d.free()
		return err
	}
	return nil
}

// prepare loads the kernels and cuBLAS and gets pinned memory.
func (d *driver) prepare(tf32 bool) error {
	major, _, err := d.device.ComputeCapability()
	if err != nil {
		return err
	}
	kernels := kernels80
	switch {
	case major < 8:
		return fmt.Errorf("it has compute capability %d, the kernels are for 8.0 and above", major)
	case major >= 9:
		kernels = kernels90
	}
	if d.module, err = cu.LoadData(kernels); err != nil {
		return fmt.Errorf("loading the kernels: %w", err)
	}
	if result := C.cuMemHostAlloc(&d.pinned, pinnedBytes, 0); result != C.CUDA_SUCCESS {
		return fmt.Errorf("pinned memory: error %d of the driver", int(result))
	}
	d.blas = openBLAS(tf32)
	return nil
}

func (d *driver) alloc(bytes int) (uintptr, error) {
	p, err := cu.MemAlloc(int64(bytes))
	if err == nil {
		d.chunks = append(d.chunks, p)
	}
	return uintptr(p), err
}

func (d *driver) launch(kernel string, grid [3]int, threads int, arguments []uint64, _ []int64) error {
	function, known := d.functions[kernel]
	if !known {
		var err error
		if function, err = d.module.Function(kernel); err != nil {
			return err
		}
		d.functions[kernel] = function
	}
	d.parameters = d.parameters[:0]
	for i := range arguments {
		d.parameters = append(d.parameters, unsafe.Pointer(&arguments[i]))
	}
	return function.Launch(grid[0], grid[1], grid[2], threads, 1, 1, 0, cu.Stream{}, d.parameters)
}

// write copies through pinned memory, or waits until the driver has taken a copy of its own.
func (d *driver) write(dst uintptr, src unsafe.Pointer, bytes int) error {
	if bytes > smallCopy {
		return cu.MemcpyHtoD(cu.DevicePtr(dst), src, int64(bytes))
	}
	if d.waiting+bytes > pinnedBytes {
		if err := cu.Synchronize(); err != nil {
			return err
		}
		d.waiting = 0
	}
	staged := unsafe.Add(d.pinned, d.waiting)
	d.waiting += (bytes + 63) / 64 * 64
	copy(unsafe.Slice((*byte)(staged), bytes), unsafe.Slice((*byte)(src), bytes))
	return cu.MemcpyHtoDAsync(cu.DevicePtr(dst), staged, int64(bytes), cu.Stream{})
}

// read comes, on the device, after all copies to it, so it may use their pinned memory.
func (d *driver) read(dst unsafe.Pointer, src uintptr, bytes int) error {
	d.waiting = 0
	if bytes > smallCopy {
		return cu.MemcpyDtoH(dst, cu.DevicePtr(src), int64(bytes))
	}
	if err := cu.MemcpyDtoH(d.pinned, cu.DevicePtr(src), int64(bytes)); err != nil {
		return err
	}
	copy(unsafe.Slice((*byte)(dst), bytes), unsafe.Slice((*byte)(d.pinned), bytes))
	return nil
}

func (d *driver) hasBLAS() bool { return d.blas != nil }

func (d *driver) sgemm(transA, transB bool, m, n, k int, a uintptr, lda int, b uintptr, ldb int, c uintptr, ldc int) error {
	return d.blas.sgemm(transA, transB, m, n, k, a, lda, b, ldb, c, ldc)
}

// close frees everything; nothing can be done about what fails then.
func (d *driver) close() {
	d.free()
	runtime.UnlockOSThread()
}

func (d *driver) free() {
	cu.Synchronize()
	if d.blas != nil {
		d.blas.close()
	}
	for _, p := range d.chunks {
		cu.MemFree(p)
	}
	if d.pinned != nil {
		cu.MemFreeHost(d.pinned)
	}
	if d.module != (cu.Module{}) {
		d.module.Unload()
	}
	d.device.ReleasePrimaryCtx()
}
