package pipeline

import "odepipe/pkg/tensor"

// hostBuffers keeps the host side of named tensors from one mini-batch to the next.
type hostBuffers struct {
	dtype tensor.DType
	value map[string]tensor.Buffer
	i32   map[string][]int32
}

// values returns n elements for a name; their contents are unspecified.
func (h *hostBuffers) values(name string, n int) tensor.Buffer {
	b := h.value[name]
	if b.Len() < n {
		if h.value == nil {
			h.value = map[string]tensor.Buffer{}
		}
		b = h.dtype.Make(n)
		h.value[name] = b
	}
	return b.Slice(0, n)
}

func (h *hostBuffers) int32s(name string, n int) []int32 {
	b := h.i32[name]
	if len(b) < n {
		if h.i32 == nil {
			h.i32 = map[string][]int32{}
		}
		b = make([]int32, n)
		h.i32[name] = b
	}
	return b[:n]
}
