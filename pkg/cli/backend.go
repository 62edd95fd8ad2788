package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
)

// device is what --device names: the processor, or a GPU.
type device struct {
	gpu    bool
	number int
}

// Backend makes the backend for a model's element type on the device and with the threads that the flags ask for: on the
// processor, float64 runs on ref and float32 on cpu; a GPU has float32 alone. The caller closes it, and alone uses it.
func (c *Context) Backend(d tensor.DType) (backend.Backend, error) {
	switch {
	case c.device.gpu && d == tensor.Float64:
		return nil, fmt.Errorf("--device %s computes in float32, the model is float64; use --device cpu", c.deviceName)
	case c.device.gpu:
		be, err := openGPU(c.device.number, c.tf32)
		if err != nil {
			return nil, fmt.Errorf("--device %s: %w", c.deviceName, err)
		}
		return be, nil
	case d == tensor.Float64:
		return ref.New(), nil
	}
	return c.processor()
}

// processor computes with the kernels that --cpu names, if the processor has them.
func (c *Context) processor() (backend.Backend, error) {
	if c.kernels == "auto" {
		return cpu.New(c.Threads), nil
	}
	if err := os.Setenv("ODEPIPE_CPU", c.kernels); err != nil {
		return nil, err
	}
	be := cpu.New(c.Threads)
	if got := be.Kernels(); got != c.kernels {
		be.Close()
		return nil, Usage("--cpu %s: this processor has none of these kernels, the best are %s", c.kernels, got)
	}
	return be, nil
}

// parseDevice reads --device, accepts what this build can compute on, and checks --tf32 against it.
func (c *Context) parseDevice() error {
	kind, number, numbered := strings.Cut(c.deviceName, ":")
	n, err := strconv.ParseUint(number, 10, 16)
	switch {
	case c.deviceName == "cpu":
		if c.tf32 {
			return Usage("--tf32 is for --device cuda")
		}
		return nil
	case kind == "cuda" && (!numbered || err == nil):
		if openGPU == nil {
			return Usage("--device %s: this build has no CUDA, 'TAGS=cuda scripts/build.sh' makes one that has; use --device cpu", c.deviceName)
		}
		c.device = device{gpu: true, number: int(n)}
		return nil
	}
	return Usage("--device %s: it must be cpu or cuda[:N]", c.deviceName)
}
