package wire

import (
	"testing"
	"unsafe"
)

func TestRecyclerGivesBackWhatItTook(t *testing.T) {
	r := newRecycler(1 << 10)
	for _, n := range []int{1, 7, 64, 192} {
		a := r.Allocate(n)
		if len(a) != n || uintptr(unsafe.Pointer(&a[0]))%8 != 0 {
			t.Errorf("%d bytes asked, %d given at %p", n, len(a), &a[0])
		}
		r.Free(a)
		if b := r.Allocate(n); &a[0] != &b[0] {
			t.Errorf("%d bytes are not used again", n)
		} else {
			r.Free(b)
		}
	}
	if r.inUse != 0 {
		t.Errorf("%d bytes in use at the end", r.inUse)
	}
}

func TestRecyclerKeepsContentWhenGrowing(t *testing.T) {
	r := newRecycler(1 << 10)
	a := r.Allocate(64)
	a[63] = 5
	if b := r.Reallocate(128, a); len(b) != 128 || b[63] != 5 {
		t.Errorf("%d bytes, the 64th is %d", len(b), b[63])
	}
	if b := r.Reallocate(0, r.Allocate(8)); b != nil {
		t.Errorf("%d bytes for none", len(b))
	}
}

func TestRecyclerKeepsNoMoreThanWasInUse(t *testing.T) {
	r := newRecycler(1 << 20)
	for n := 1; n <= 100; n++ {
		r.Free(r.Allocate(64 * n))
		if r.idle > r.peak {
			t.Fatalf("%d bytes idle, at most %d were in use", r.idle, r.peak)
		}
	}
}

func TestRecyclerStopsAtTheLimit(t *testing.T) {
	r := newRecycler(100)
	r.Allocate(60)
	defer func() {
		if recover() == nil {
			t.Error("120 of 100 bytes given")
		}
	}()
	r.Allocate(60)
}
