package cuda

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// Activate writes dst = sigma(x).
func (be *Backend) Activate(dst tensor.T, a backend.Activation, x tensor.T) {
	sameSize(dst, x)
	be.call("activate").tensor(dst).ints(dst.Size(), int(a)).tensor(x).each(dst.Size())
}

// ActivateGrad writes dx = dy sigma'(x).
func (be *Backend) ActivateGrad(dx tensor.T, a backend.Activation, dy, x tensor.T) {
	sameSize(dx, x)
	sameSize(dx, dy)
	be.call("activateGrad").tensor(dx).ints(dx.Size(), int(a)).tensor(dy).tensor(x).each(dx.Size())
}

// ActivateGrad2 adds dx += dy v sigma”(x).
func (be *Backend) ActivateGrad2(dx tensor.T, a backend.Activation, dy, v, x tensor.T) {
	sameSize(dx, x)
	sameSize(dx, dy)
	sameSize(dx, v)
	be.call("activateGrad2").tensor(dx).ints(dx.Size(), int(a)).tensor(dy).tensor(v).tensor(x).each(dx.Size())
}
