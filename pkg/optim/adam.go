package optim

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// adam is torch.optim.Adam and AdamW (backend.AdamStep has the formula); AdamW first shrinks the parameter:
//
//	p <- (1 - lr gamma) p
type adam struct {
	rule         Rule
	decay        float64 // gamma, of AdamW alone
	mean, square tensor.T
}

// newAdam and newAdamW are at rest.
func newAdam(be backend.Backend, r Rule, shape tensor.Shape) updater {
	return adam{rule: r, mean: zeros(be, shape), square: zeros(be, shape)}
}

func newAdamW(be backend.Backend, r Rule, shape tensor.Shape) updater {
	return adam{rule: r, decay: r.WeightDecay, mean: zeros(be, shape), square: zeros(be, shape)}
}

func (a adam) apply(be backend.Backend, p, d tensor.T, lr float64, step int64) {
	if a.decay != 0 {
		be.Combine(p, []float64{1 - lr*a.decay}, p)
	}
	be.AdamStep(p, a.mean, a.square, d, lr, a.rule.Beta1, a.rule.Beta2, a.rule.AdamEps, step+1)
}

func (a adam) state() []State {
	return []State{{What: "mean", T: a.mean}, {What: "square", T: a.square}}
}
