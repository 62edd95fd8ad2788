package cpu_test

import (
	"slices"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cpu"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
)

func TestViewsAreTheSamplesFromOneOn(t *testing.T) {
	const samples, first = 37, 2 * backend.Group
	shape := tensor.Of(2, 3, 4)
	host := make([]float64, samples*shape.Size())
	for i := range host {
		host[i] = float64(i)
	}
	for _, be := range []backend.Backend{cpu.New(1), ref.New()} {
		x := be.Batch(samples, shape)
		be.Upload(x, tensor.Buffer{F64: host})
		rest := be.View(x, first, samples-first, shape)
		got := make([]float64, rest.Size())
		be.Download(tensor.Buffer{F64: got}, rest)
		if !slices.Equal(got, host[first*shape.Size():]) {
			t.Errorf("%s: the rest holds %v", be.DType(), got)
		}
		be.Combine(be.View(x, 0, backend.Group, tensor.Of(5)), nil)
		be.Download(tensor.Buffer{F64: got}, rest)
		if !slices.Equal(got, host[first*shape.Size():]) {
			t.Errorf("%s: a smaller thing in the place of the first samples reaches the last", be.DType())
		}
		for what, view := range map[string]func(){
			"more samples than there are": func() { be.View(x, first, samples, shape) },
			"a larger shape":              func() { be.View(x, 0, samples, tensor.Of(30)) },
			"a start between blocks":      func() { be.View(x, 3, 1, shape) },
		} {
			if !panics(view) {
				t.Errorf("%s: no panic from a view of %s", be.DType(), what)
			}
		}
		be.Close()
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
