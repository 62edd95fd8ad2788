package optim

import (
	"maps"
	"math"
	"slices"

	"odepipe/pkg/backend"
	"odepipe/pkg/kfac"
)

// Dampings names the ways of adding eps to the curvature; the first is the default. fixed, pi and relative are
// kfac.Tikhonov, kfac.Split and kfac.Relative; adaptive is fixed with an eps that marquardt moves.
var Dampings = []string{"fixed", "pi", "relative", "adaptive"}

// Preconditioners names the forms of the inverse; the first is the default.
var Preconditioners = []string{"ekfac", "kfac"}

func dampingNames() []string        { return Dampings }
func preconditionerNames() []string { return Preconditioners }

// inversion is how the gradient of a layer with a rule is preconditioned, under complete settings. relief multiplies eps.
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
// and Grosse 2015, Section 6.5). With delta the changes of the parameters that the steps made, g the gradients and C the
// layers' curvature without damping (parameters that are not preconditioned have none),
//
//	predicted = sum over period steps of <g, delta> + <delta, C delta> / 2
//	rho = ( L - L before these steps ) / predicted
//	eps <- omega eps  if rho > 3/4,   eps / omega  if rho < 1/4 or predicted >= 0,   omega = (19/20)^period
//
// between a thousandth and a thousand times the eps of the settings. No loss of one mini-batch before and after a step is
// known: L is the smoothed loss of successive mini-batches, each before its step, L <- 0.9 L + 0.1 loss. So rho is noisy
// where mini-batches differ by more than a period of training gains; a longer period makes it less so.
type marquardt struct {
	period int64
	state  numbers // eps by that of the settings, L, L before, predicted
}

func newMarquardt(be backend.Backend, period int64) *marquardt {
	m := &marquardt{period, newNumbers(be, 4)}
	m.state.set(1, 0, 0, 0)
	return m
}

// The bounds of eps by that of the settings.
const leastRelief, mostRelief = 1e-3, 1e3

// judge takes the loss of a step's mini-batch and returns by what eps is to be multiplied.
func (m *marquardt) judge(step int64, loss float64) (relief float64) {
	v := m.state.get()
	relief, smooth, before, predicted := v[0], 0.9*v[1]+0.1*loss, v[2], v[3]
	if step == 0 {
		smooth = loss
	}
	if step%m.period == 0 {
		omega := math.Pow(19.0/20, float64(m.period))
		switch rho := (smooth - before) / predicted; {
		case step == 0:
		case predicted >= 0 || rho < 0.25:
			relief /= omega
		case rho > 0.75:
			relief *= omega
		}
		before, predicted = smooth, 0
	}
	m.state.set(min(max(relief, leastRelief), mostRelief), smooth, before, predicted)
	return m.state.get()[0]
}

// expect adds what the model predicts of a step just made.
func (m *marquardt) expect(e effect) {
	v := m.state.get()
	for _, name := range slices.Sorted(maps.Keys(e.slopes)) {
		v[3] += e.slopes[name]
	}
	m.state.set(v[0], v[1], v[2], v[3]+e.curvature/2)
}
