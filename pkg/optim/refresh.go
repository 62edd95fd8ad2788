package optim

import (
	"fmt"
	"math"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

// Two periods decide what happens to the curvature, both as functions of the step and the settings alone. Eigenbases are
// refreshed at the steps r_0 = 0, r_1, r_2, ... with
//
//	r_(n+1) = r_n + min(floor(freq growth^n), freq-max)
//
// and factors are asked for every factor-freq steps from step 0, or, where that is not set, at the refreshes. With a
// decay rho > 0 each pair moves an average, which starts with the first pair and is what a refresh decomposes:
//
//	A <- rho A + (1-rho) A_new,   B likewise

// Wants says whether a step is to be given second-order quantities, those of Settings.Curvature: where the settings say
// so, and while some are missing.
func (o *Optimizer) Wants(step int64) bool {
	curved := false
	for _, u := range o.units {
		if u.basis != nil && !u.basis.Ready || u.newton != nil && !u.newton.ready {
			return true
		}
		curved = curved || u.basis != nil || u.newton != nil
	}
	return curved && o.settings.Refreshes(step)
}

// Curvature says which second-order quantities an optimizer with these settings looks at: Kronecker factors, and, where
// probes is not 0, the diagonal of the Hessian, estimated by as many probes.
func (s Settings) Curvature() (factors bool, probes int64) {
	for _, r := range s.rules() {
		info := optimizerNamed(r.Optimizer)
		factors = factors || info.preconditioned
		if info.diagonal {
			probes = max(s.Vectors, 1)
		}
	}
	return factors, probes
}

// Refreshes says whether an optimizer with these settings wants new second-order quantities at a step.
func (s Settings) Refreshes(step int64) bool {
	if factors, probes := s.Curvature(); !factors && probes == 0 {
		return false
	}
	s = s.complete()
	if s.FactorFreq != 0 {
		return step%s.FactorFreq == 0
	}
	return s.decomposes(step)
}

// decomposes says whether a step is one of the r_n, under complete settings.
func (s Settings) decomposes(step int64) bool {
	longest := int64(1) << 62
	if s.FreqMax != 0 {
		longest = s.FreqMax
	}
	rest, period := step, float64(s.Freq)
	for rest > 0 {
		if s.FreqGrowth == 1 || period >= float64(longest) {
			return rest%int64(min(period, float64(longest))) == 0
		}
		rest -= int64(period)
		period *= s.FreqGrowth
	}
	return rest == 0
}

// checkPeriods returns ErrSetting if a period leaves another without effect.
func (s Settings) checkPeriods() error {
	c := s.complete()
	switch {
	case s.FactorFreq > c.Freq:
		return fmt.Errorf("%w: factor-freq %d is beyond freq %d", ErrSetting, s.FactorFreq, c.Freq)
	case s.FreqMax != 0 && s.FreqMax < c.Freq:
		return fmt.Errorf("%w: freq-max %d is below freq %d", ErrSetting, s.FreqMax, c.Freq)
	}
	return nil
}

// refresh takes in the second-order quantities of a step that wants them, and gives every preconditioned layer a new
// eigenbasis where it is time.
func (o *Optimizer) refresh(step int64, b Batch, report *Report) error {
	wants := o.Wants(step)
	if err := o.refreshBases(step, wants, b.Factors, report); err != nil || !wants {
		return err
	}
	return o.refreshDiagonals(b.Diagonals, report)
}

func (o *Optimizer) refreshBases(step int64, wants bool, factors map[string]kfac.Factors, report *Report) error {
	var units []unit
	var bases []*kfac.Eigenbasis
	var pairs []kfac.Factors
	due := o.settings.decomposes(step)
	keep := func(u unit, err error) error {
		if !u.basis.Ready {
			return fmt.Errorf("layer %s: %w", u.layer.Name, err)
		}
		report.Warnings = append(report.Warnings, fmt.Sprintf("layer %s keeps its eigenbasis: %v", u.layer.Name, err))
		return nil
	}
	for _, u := range o.units {
		if u.basis == nil {
			continue
		}
		pair, err := kfac.Factors{}, error(nil)
		if wants {
			pair, err = u.gather(o.be, factors, o.settings.FactorDecay)
		}
		if err != nil {
			if err := keep(u, err); err != nil {
				return err
			}
		} else if due || !u.basis.Ready {
			if o.settings.FactorDecay != 0 {
				pair = kfac.Factors{A: onHost(o.be, u.average.A), B: onHost(o.be, u.average.B)}
			}
			units, bases, pairs = append(units, u), append(bases, u.basis), append(pairs, pair)
		}
	}
	for i, err := range kfac.Refresh(o.be, bases, pairs, o.threads) {
		if err == nil {
			report.Refreshed++
		} else if err := keep(units[i], err); err != nil {
			return err
		}
	}
	return nil
}

// gather takes the layer's pair of new factors and, with a decay, moves the average.
func (u unit) gather(be backend.Backend, factors map[string]kfac.Factors, rho float64) (kfac.Factors, error) {
	pair, found := factors[u.layer.Name]
	if err := u.fits(pair, found); err != nil || rho == 0 {
		return pair, err
	}
	mark := be.Mark()
	defer be.Release(mark)
	a, b := be.Plain(pair.A.Shape), be.Plain(pair.B.Shape)
	be.Upload(a, pair.A.Buf)
	be.Upload(b, pair.B.Buf)
	for _, f := range []tensor.T{a, b} {
		if square := dot(be, f, f); math.IsNaN(square) || math.IsInf(square, 0) {
			return pair, fmt.Errorf("a Kronecker factor: %w", ErrNonFinite)
		}
	}
	if !u.basis.Ready {
		rho = 0
	}
	be.Combine(u.average.A, []float64{rho, 1 - rho}, u.average.A, a)
	be.Combine(u.average.B, []float64{rho, 1 - rho}, u.average.B, b)
	return pair, nil
}

// onHost is a copy of a plain tensor that holds a host buffer.
func onHost(be backend.Backend, x tensor.T) tensor.T {
	host := be.DType().Make(x.Size())
	be.Download(host, x)
	return tensor.T{Buf: host, Shape: x.Shape}
}

// dot is the inner product of plain tensors.
func dot(be backend.Backend, x, y tensor.T) float64 {
	sum := [1]float64{}
	be.Dot(sum[:], x, y)
	return sum[0]
}

// fits returns ErrMismatch if a pair is missing or of the wrong shape.
func (u unit) fits(pair kfac.Factors, found bool) error {
	out, k := u.basis.Scale.Shape.Dim[0], u.basis.Scale.Shape.Dim[1]
	a, b := tensor.Of(k, k), tensor.Of(out, out)
	switch {
	case !found:
		return fmt.Errorf("%w: there are no Kronecker factors", ErrMismatch)
	case pair.A.Shape != a || pair.B.Shape != b || pair.A.N != 0 || pair.B.N != 0:
		return fmt.Errorf("%w: Kronecker factors %s and %s, not %s and %s", ErrMismatch, pair.A.Shape, pair.B.Shape, a, b)
	}
	return nil
}
