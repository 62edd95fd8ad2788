package optim

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// updater changes one parameter by a direction d of its shape and remembers what it needs for the next step.
type updater interface {
	apply(be backend.Backend, p, d tensor.T, lr float64, step int64)
	state() []State // without names
}

// newUpdater makes the updater of a rule, at rest.
func newUpdater(be backend.Backend, r Rule, shape tensor.Shape) updater {
	zero := func() tensor.T {
		t := be.Plain(shape)
		be.Combine(t, nil)
		return t
	}
	switch {
	case r.Optimizer == "adam" || r.Optimizer == "adamw":
		return adam{rule: r, mean: zero(), square: zero()}
	case r.Momentum != 0:
		return sgd{rule: r, buffer: zero()}
	}
	return sgd{rule: r}
}

// sgd is gradient descent with momentum mu, as torch.optim.SGD without dampening:
//
//	b <- mu b + d        (b starts at 0, which makes the first b = d)
//	p <- p - lr b,       with Nesterov p - lr (d + mu b),  without momentum p - lr d
type sgd struct {
	rule   Rule
	buffer tensor.T // b; the zero T without momentum
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

// adam is torch.optim.Adam and AdamW (backend.AdamStep has the formula); AdamW first shrinks the parameter:
//
//	p <- (1 - lr gamma) p
type adam struct {
	rule         Rule
	mean, square tensor.T
}

func (a adam) apply(be backend.Backend, p, d tensor.T, lr float64, step int64) {
	if a.rule.Optimizer == "adamw" && a.rule.WeightDecay != 0 {
		be.Combine(p, []float64{1 - lr*a.rule.WeightDecay}, p)
	}
	be.AdamStep(p, a.mean, a.square, d, lr, a.rule.Beta1, a.rule.Beta2, a.rule.AdamEps, step+1)
}

func (a adam) state() []State {
	return []State{{What: "mean", T: a.mean}, {What: "square", T: a.square}}
}
