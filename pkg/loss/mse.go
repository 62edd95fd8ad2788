package loss

import (
	"slices"

	"odepipe/pkg/tensor"
)

// mse is half the squared distance, summed over the outputs:
//
//	Phi = 1/2 ||z - y||^2;   dPhi/dz = z - y
var mse = Loss{Name: "mse", Doc: "1/2 ||pred - y||^2, summed over outputs",
	rank: func(width int) int { return width }, factor: identityFactor, draw: normalDraw,
	check: func(pred tensor.Shape, target Target, rows int) error {
		if target.Values.Len() == 0 && rows > 0 {
			return mismatch("mse needs a column y of values %v", pred)
		}
		if !slices.Equal(target.Shape, pred.Dims()) {
			return mismatch("y has shape %v, the model's output %v", tensor.Of(target.Shape...), pred)
		}
		return nil
	},
	row: func(pred, grad []float64, target Target, n int) float64 {
		sum := 0.0
		for d, z := range pred {
			e := z - target.Values.At(n*len(pred)+d)
			sum += e * e
			if grad != nil {
				grad[d] = e
			}
		}
		return sum / 2
	},
}
