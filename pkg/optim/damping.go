package optim

import (
	"maps"
	"math"
	"slices"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
	"odepipe/pkg/tensor"
)

// Dampings names the ways of adding eps to the curvature; the first is the default. fixed, pi and relative are
// kfac.Tikhonov, kfac.Split and kfac.Relative; adaptive is fixed with an eps that marquardt moves.
var Dampings = []string{"fixed", "pi", "relative", "adaptive"}

// Preconditioners names the forms of the inverse; the first is the default.
var Preconditioners = []string{"ekfac", "kfac"}

func dampingNames() []string        { return Dampings }
func preconditionerNames() []string { return Preconditioners }

// inversion is how a layer's gradient is preconditioned by its rule, under complete settings. relief multiplies eps.
func (s Settings) inversion(r Rule, b Batch, relief float64) kfac.Inversion {
	in := kfac.Inversion{Kronecker: s.Preconditioner == "kfac", Alpha: r.Alpha, Batch: float64(b.Size), Eps: r.Eps * relief, Penalty: r.WeightDecay}
	switch s.Damping {
	case "pi":
		in.Damping = kfac.Split
	case "relative":
		in.Damping = kfac.Relative
	}
	return in
}

// usesSpectra says whether the eigenvalues of single factors are looked at, under complete settings.
func (s Settings) usesSpectra() bool { return s.Preconditioner == "kfac" || s.Damping == "pi" }

// dampingAtRest is eps as it is set for the first layer that is preconditioned; 0 if none is.
func (o *Optimizer) dampingAtRest() float64 {
	for _, u := range o.units {
		if u.basis != nil {
			return u.members[0].rule.Eps
		}
	}
	return 0
}

// marquardt adapts the damping to how well the loss follows the quadratic model of it (Levenberg-Marquardt, as Martens
// and Grosse 2015, Section 6.5). With delta_k the change of the parameters that step k made, g_(k+1) the gradient of
// the mini-batch after it, and C the layers' curvature without damping (other parameters have none), the model's change
// of the loss is that of a parabola with slope <g_(k+1), delta_k> at its end:
//
//	p_k = <g_(k+1), delta_k> - <delta_k, C delta_k> / 2
//	eps <- omega eps  if dL < 3/4 dP - sigma,   eps / omega  if dL > 1/4 dP + sigma,   omega = (19/20)^period
//
// between a thousandth and a thousand times the eps of the settings, where dL and dP are the changes of the loss and of
// the model's over a period of steps: their ratio is above 3/4, or below 1/4, by more than the noise. Where it is
// neither, the period goes on for as long again. The slope is taken at the end because <g_k, delta_k> counts what the
// step fits of the noise of its own mini-batch, of which the next one shows nothing.
//
// No loss of one mini-batch before and after a step is known. L is the smoothed loss of successive mini-batches,
// L <- 0.9 L + 0.1 loss, and P the sum of all p_k smoothed alike, so that both lag alike. With V the squares (loss - L)^2
// before this step smoothed once more, sigma = sqrt(2 V 0.1 / 1.9) is the standard deviation of the difference of two L
// of independent losses.
type marquardt struct {
	be     backend.Backend
	period int64
	state  numbers             // in the order of ledger
	change map[string]tensor.T // delta of the last step, by parameter
}

// ledger is the state of marquardt on the host.
type ledger struct {
	relief    float64 // eps by that of the settings
	loss      float64 // L
	before    float64 // L as the period began
	variance  float64 // V
	gap       float64 // of the sum of p to P
	predicted float64 // change of P since then
	curvature float64 // <delta, C delta> of the last step
}

// The bounds of relief.
const leastRelief, mostRelief = 1e-3, 1e3

// newMarquardt has seen no step.
func newMarquardt(be backend.Backend, period int64, params []*param) *marquardt {
	m := &marquardt{be, period, newNumbers(be, 7), map[string]tensor.T{}}
	m.write(ledger{relief: 1})
	for _, p := range params {
		m.change[p.Param.Name] = zeros(be, p.Param.Value.Shape)
	}
	return m
}

func (m *marquardt) read() ledger {
	v := m.state.get()
	return ledger{v[0], v[1], v[2], v[3], v[4], v[5], v[6]}
}

func (m *marquardt) write(l ledger) {
	m.state.set(l.relief, l.loss, l.before, l.variance, l.gap, l.predicted, l.curvature)
}

// judge takes a step's loss, and the slope <g, delta> of its gradients along the changes of the step before, and returns
// by what eps is to be multiplied.
func (m *marquardt) judge(step int64, loss, slope float64) (relief float64) {
	l := m.read()
	if step == 0 {
		l.loss, l.before = loss, loss
	}
	doubt := math.Sqrt(l.variance * 2 * 0.1 / 1.9)
	l.variance = 0.9*l.variance + 0.1*(loss-l.loss)*(loss-l.loss)
	l.loss = 0.9*l.loss + 0.1*loss
	l.gap += slope - l.curvature/2
	l.predicted += 0.1 * l.gap
	l.gap *= 0.9
	if step > 0 && step%m.period == 0 {
		omega := math.Pow(19.0/20, float64(m.period))
		switch change := l.loss - l.before; {
		case change > l.predicted/4+doubt:
			l.relief = min(l.relief/omega, mostRelief)
			l.before, l.predicted = l.loss, 0
		case change < l.predicted*3/4-doubt:
			l.relief = max(l.relief*omega, leastRelief)
			l.before, l.predicted = l.loss, 0
		}
	}
	m.write(l)
	return m.read().relief
}

// slope is <g, delta> over all parameters.
func (m *marquardt) slope(grads map[string]tensor.T) float64 {
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(m.change)) {
		sum += dot(m.be, grads[name], m.change[name])
	}
	return sum
}

// remember keeps the curvature along the changes that a step has made.
func (m *marquardt) remember(curvature float64) {
	l := m.read()
	l.curvature = curvature
	m.write(l)
}
