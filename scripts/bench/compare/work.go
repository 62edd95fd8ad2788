package main

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/nn"
)

// work counts floating-point operations of an iteration, a multiplication and an addition being two: products alone, as
// direct convolutions and dense matrices do them, whatever the kernels do. With
//
//	c = 2 batch out fan_in positions
//
// of an affine layer, fan_in with the time channel, an evaluation of a field takes sum c forward and 3 sum c on the way back
// (F, its cotangent of x, that of the parameters); of a flow as much again for each probe. A plain layer takes c and 2c,
// the model's first only c on the way back; a GRU cell's maps 3c at each point. Preconditioning a layer's gradient
// [out, k] takes two products with the eigenbases on either side, twice: 4 out k (out + k).
type work struct {
	forward, backward float64 // of an evaluation, the mean of the blocks
	plain             float64 // of everything outside the blocks
	update            float64 // of the preconditioned layers
}

// backwardShare is the work of an evaluation on the way back over that of one forward.
const backwardShare = 3

// affineWork is c of so many samples.
func affineWork(g backend.Conv, samples int) float64 {
	if g.In == 0 {
		return 0 // a map of t alone, once for all samples
	}
	return 2 * float64(samples) * float64(g.Out) * float64(g.FanIn()) * float64(g.OH()*g.OW())
}

// updateWork is that of preconditioning a layer's gradient.
func updateWork(g backend.Conv) float64 {
	out, k := float64(g.Out), float64(g.GramSize())
	return 4 * out * k * (out + k)
}

// count counts the work of a workload's iterations with a recipe.
func (w *workload) count(r recipe) work {
	var total work
	blocks := 0
	for i, segment := range w.net.Segments {
		layers := segment.Chain.Affine()
		sum := 0.0
		for _, l := range layers {
			sum += affineWork(l.Geometry, w.preset.Batch)
		}
		if segment.ODE == nil {
			total.plain += 3 * sum
			if i == 0 && len(layers) > 0 {
				total.plain -= affineWork(layers[0].Geometry, w.preset.Batch)
			}
		} else {
			sum *= float64(1 + w.probes())
			total.forward += sum
			total.backward += backwardShare * sum
			blocks++
		}
		if segment.Cell != nil {
			points := float64(w.net.Spec.Input.Dim[0])
			for _, l := range segment.Cell.Affine() {
				total.plain += 3 * points * affineWork(l.Geometry, w.preset.Batch)
			}
		}
		if r.refreshes() && (segment.ODE != nil || !w.recurrent()) {
			total.update += updates(layers)
		}
	}
	total.forward /= float64(blocks)
	total.backward /= float64(blocks)
	return total
}

// recurrent says whether the model is one of time series, whose layers outside the field have Adam.
func (w *workload) recurrent() bool { return w.net.Segments[0].Cell != nil }

func updates(layers []*nn.Affine) float64 {
	sum := 0.0
	for _, l := range layers {
		sum += updateWork(l.Geometry)
	}
	return sum
}

// of is the work of an iteration with so many evaluations.
func (w work) of(forward, backward float64) float64 {
	return forward*w.forward + backward*w.backward + w.plain + w.update
}
