package optim

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// sgd is gradient descent with momentum mu, as torch.optim.SGD without dampening:
//
//	b <- mu b + d        (b starts at 0, which makes the first b = d)
//	p <- p - lr b,       with Nesterov p - lr (d + mu b),  without momentum p - lr d
type sgd struct {
	rule   Rule
	buffer tensor.T // b; the zero T without momentum
}

// newSGD is at rest.
func newSGD(be backend.Backend, r Rule, shape tensor.Shape) updater {
	s := sgd{rule: r}
	if r.Momentum != 0 {
		s.buffer = zeros(be, shape)
	}
	return s
}

func (s sgd) apply(be backend.Backend, p, d tensor.T, lr float64, _ int64) {
	mu := s.rule.Momentum
	if mu == 0 {
		be.Combine(p, []float64{1, -lr}, p, d)
		return
	}
	be.Combine(s.buffer, []float64{mu, 1}, s.buffer, d)
	if s.rule.Nesterov {
		be.Combine(p, []float64{1, -lr, -lr * mu}, p, d, s.buffer)
		return
	}
	be.Combine(p, []float64{1, -lr}, p, s.buffer)
}

func (s sgd) state() []State {
	if s.rule.Momentum == 0 {
		return nil
	}
	return []State{{What: "momentum", T: s.buffer}}
}
