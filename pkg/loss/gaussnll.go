package loss

import (
	"math"

	"odepipe/pkg/tensor"
)

// nll is the negative log-density of a base state z [d] under the standard normal distribution, in nats, without target:
//
//	Phi = 1/2 ||z||^2 + d/2 log 2 pi;   dPhi/dz = z
//
// The loss of a flow is that minus the change of the log-density on the way from the data to the base, which its blocks
// integrate.
var nll = Loss{Name: "nll", Doc: "negative log-density of a flow's data under a standard normal base, nats", Density: true,
	rank: func(width int) int { return width }, factor: identityFactor, draw: normalDraw,
	check: func(pred tensor.Shape, _ Target, _ int) error {
		if pred.Rank != 1 {
			return mismatch("nll needs a base state [features], the model's is %v", pred)
		}
		return nil
	},
	row: func(pred, grad []float64, _ Target, _ int) float64 {
		sum := 0.0
		for d, z := range pred {
			sum += z * z
			if grad != nil {
				grad[d] = z
			}
		}
		return sum/2 + float64(len(pred))/2*math.Log(2*math.Pi)
	},
}
