package optim

import "math"

// clip is the factor of all gradients under clip-norm, as torch.nn.utils.clip_grad_norm_ has it:
//
//	min(1, clip-norm / (|g| + 1e-6)),   |g| over all parameters
//
// It comes before everything else, the penalty's gradient included.
func (s Settings) clip(norm float64) float64 {
	if s.ClipNorm == 0 {
		return 1
	}
	return min(1, s.ClipNorm/(norm+1e-6))
}

// trust shortens the directions d of preconditioned layers where their steps would carry the model's output
// distribution too far, and returns the factor (kl-clip, as kfac-pytorch; Pauloski et al. 2020, Section III):
//
//	nu = min(1, sqrt(kappa / sum_l lr_l^2 <d_l, G_l>))
//
// G are the gradients that d were made of. With C the damped curvature, G = C d: the sum is <lr d, C lr d>, twice the KL
// divergence between the model before the steps and after them, to second order. The steps' momentum is not in it. It
// returns 0 where no kl-clip is set.
func (o *Optimizer) trust(moves []move, step int64) float64 {
	if o.settings.KLClip == 0 {
		return 0
	}
	sum, factor := 0.0, o.settings.factor(step)
	for i, u := range o.units {
		if u.basis == nil {
			continue
		}
		for j, p := range u.members {
			lr := p.rule.LR * factor
			sum += lr * lr * dot(o.be, moves[i].directions[j], moves[i].grads[j])
		}
	}
	if !(sum > o.settings.KLClip) {
		return 1
	}
	nu := math.Sqrt(o.settings.KLClip / sum)
	for i, u := range o.units {
		if u.basis == nil {
			continue
		}
		for j := range u.members {
			d := moves[i].directions[j]
			o.be.Combine(d, []float64{nu}, d)
		}
	}
	return nu
}
