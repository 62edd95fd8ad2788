//go:build cuda

package cuda

import "testing"

// NewDevice makes the backend under test, on the first GPU. It skips the test where there is none.
func NewDevice(t testing.TB) *Backend {
	be, err := Open(0, false)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(be.Close)
	return be
}
