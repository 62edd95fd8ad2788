package loss

import (
	"math"

	"odepipe/pkg/tensor"
)

// crossEntropy is the softmax cross entropy of logits z [C] and a class y, in nats:
//
//	Phi = log sum_c e^{z_c} - z_y;   dPhi/dz = softmax(z) - e_y
var crossEntropy = Loss{Name: "cross_entropy", Doc: "softmax cross entropy of logits and a class, nats", Classes: true,
	rank: func(classes int) int { return classes - 1 }, factor: softmaxFactor, draw: softmaxDraw,
	check: func(pred tensor.Shape, target Target, rows int) error {
		if pred.Rank != 1 {
			return mismatch("cross_entropy needs logits [classes], the model's output is %v", pred)
		}
		if target.Class == nil {
			return mismatch("cross_entropy needs a column y of int32 classes")
		}
		for n, y := range target.Class[:rows] {
			if y < 0 || int(y) >= pred.Dim[0] {
				return mismatch("row %d has class %d, the model has classes 0 to %d", n, y, pred.Dim[0]-1)
			}
		}
		return nil
	},
	row: func(pred, grad []float64, target Target, n int) float64 {
		top := math.Inf(-1)
		for _, z := range pred {
			top = math.Max(top, z)
		}
		sum := 0.0
		for _, z := range pred {
			sum += math.Exp(z - top)
		}
		y := target.Class[n]
		for c := range grad {
			grad[c] = math.Exp(pred[c]-top) / sum
		}
		if grad != nil {
			grad[y]--
		}
		return math.Log(sum) + (top - pred[y])
	},
}
