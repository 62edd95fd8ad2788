package optim

import (
	"fmt"
	"math"

	"odepipe/pkg/backend"
)

// Block is a part of the network that integrates from T0 to T1.
type Block struct {
	Name   string
	T0, T1 float64  // units of t; T1 may be below T0
	Params []string // names of its parameters
}

// Horizons names the ways of choosing the integration time; the first is the default.
var Horizons = []string{"fixed", "baseline", "feedback"}

func horizonNames() []string { return Horizons }

// horizon trains the t1 of a block (paper, Section 3.4) on the loss with a penalty, L + (c/2) T^2. T = t1 - t0 is the
// paper's T where t0 = 0, and negative where the block integrates backward; all derivatives are those in t1. With
// dphi = <dL/dx(t1), F(t1, x(t1))> = dL/dt1, Q_u = dL/dtheta of the block and dtheta the change that the step has made to
// its parameters,
//
//	Q_T = dphi + c T                       exact
//	Q_TT = c + dphi^2                      of d^2/dt1^2 = c + F^T Phi_xx F + Phi_x (F_x F + F_t)
//	Q_Tu dtheta = dphi <Q_u, dtheta>       of d^2/(dt1 dtheta) = F^T Phi_xx x_theta + Phi_x (F_x x_theta + F_theta)
//
// Both approximations put Phi_x Phi_x^T in the place of Phi_xx, of the mean over the batch, and leave the other terms
// out. Q_T and Q_TT are averaged over steps by decay d, m <- d m + (1-d) q from m = 0, and taken as
// m / (1 - d^(steps so far)); Q_Tu dtheta is that of the last step. Every period steps
//
//	feedback   t1 <- t1 - lr (Q_T + Q_Tu dtheta) / Q_TT     (16)
//	baseline   t1 <- t1 - lr Q_T                            (Massaroli et al. 2020)
//
// and t1 stays on its side of t0, at a distance of min or more.
type horizon struct {
	block    Block // with the current t1
	be       backend.Backend
	settings Settings // complete
	state    numbers  // the averages of Q_T and Q_TT
}

func newHorizon(be backend.Backend, s Settings, b Block) *horizon {
	return &horizon{b, be, s, newNumbers(be, 2)}
}

// follow takes what a step has shown: dphi, and <Q_u, dtheta> as slope.
func (h *horizon) follow(step int64, dphi, slope float64) error {
	s, length := h.settings, h.block.T1-h.block.T0
	m, d := h.state.get(), s.HorizonDecay
	h.state.set(d*m[0]+(1-d)*(dphi+s.HorizonCost*length), d*m[1]+(1-d)*(s.HorizonCost+dphi*dphi))
	if (step+1)%s.HorizonFreq != 0 {
		return nil
	}
	m = h.state.get()
	seen := 1 - math.Pow(d, float64(step+1))
	change := m[0] / seen
	if s.Horizon == "feedback" {
		change = (m[0]/seen + dphi*slope) / (m[1] / seen)
	}
	side := math.Copysign(1, length)
	length -= s.HorizonLR * change
	t1 := rounded(h.be.DType(), h.block.T0+side*max(side*length, s.HorizonMin))
	if math.IsNaN(t1) || math.IsInf(t1, 0) {
		return fmt.Errorf("t1 of %s: %w", h.block.Name, ErrNonFinite)
	}
	h.block.T1 = t1
	return nil
}

// MovesTimes says whether t1 changes from step to step: trained by a horizon, or drawn.
func (s Settings) MovesTimes() bool { return s.complete().Horizon != "fixed" || s.Steer != 0 }

// EndTimes are the t1 of the blocks in order: those that a step is to be computed with.
func (o *Optimizer) EndTimes(step int64) []float64 {
	times := make([]float64, len(o.horizons))
	for i, h := range o.horizons {
		times[i] = o.settings.steered(h.block, step)
	}
	return times
}

// watch gives each block a horizon. It returns ErrSetting if the settings ask for what the blocks do not have.
func (o *Optimizer) watch(blocks []Block) error {
	if len(blocks) == 0 && (o.settings.Horizon != "fixed" || o.settings.Steer != 0) {
		return fmt.Errorf("%w: horizon and steer need an ODE block", ErrSetting)
	}
	for _, b := range blocks {
		if o.settings.Steer >= math.Abs(b.T1-b.T0) {
			return fmt.Errorf("%w: steer %g around t1 = %g of %s reaches t0 = %g", ErrSetting, o.settings.Steer, b.T1, b.Name, b.T0)
		}
		for _, name := range b.Params {
			o.named(name)
		}
		o.horizons = append(o.horizons, newHorizon(o.be, o.settings, b))
	}
	return nil
}

// checkEnds returns ErrMismatch if a batch lacks the slope in t1 of a block that trains it, ErrNonFinite if that is not
// finite.
func (o *Optimizer) checkEnds(b Batch) error {
	if o.settings.Horizon == "fixed" {
		return nil
	}
	for _, h := range o.horizons {
		dphi, found := b.DphiDt1[h.block.Name]
		if !found {
			return fmt.Errorf("%w: there is no derivative in t1 of %s", ErrMismatch, h.block.Name)
		}
		if math.IsNaN(dphi) || math.IsInf(dphi, 0) {
			return fmt.Errorf("the derivative in t1 of %s: %w", h.block.Name, ErrNonFinite)
		}
	}
	return nil
}

// moveEnds lets the horizons follow a step; slopes are <g, delta> by parameter.
func (o *Optimizer) moveEnds(step int64, b Batch, slopes map[string]float64) error {
	if o.settings.Horizon == "fixed" {
		return nil
	}
	for _, h := range o.horizons {
		slope := 0.0
		for _, name := range h.block.Params {
			slope += slopes[name]
		}
		if err := h.follow(step, b.DphiDt1[h.block.Name], slope); err != nil {
			return err
		}
	}
	return nil
}
