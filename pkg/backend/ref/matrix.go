package ref

import (
	"math"

	"odepipe/pkg/tensor"
)

// Gemm writes dst = op(a) op(b): dst [M, N], op(a) [M, K], op(b) [K, N]; dst aliases neither.
func (*Backend) Gemm(dst tensor.T, transA bool, a tensor.T, transB bool, b tensor.T) {
	left, right, out := view(a, transA), view(b, transB), view(dst, false)
	mustMatch(left.cols, right.rows)
	mustMatch([2]int{out.rows, out.cols}, [2]int{left.rows, right.cols})
	for i := range out.rows {
		for j := range out.cols {
			sum := 0.0
			for k := range left.cols {
				sum += left.at(i, k) * right.at(k, j)
			}
			out.numbers[i*out.cols+j] = sum
		}
	}
}

// matrix is a plain tensor of two dimensions, or its transpose.
type matrix struct {
	numbers           []float64
	rows, cols        int
	rowStep, elemStep int
}

func view(t tensor.T, transposed bool) matrix {
	if t.N != 0 || t.Shape.Rank != 2 {
		panic("ref: not a matrix")
	}
	rows, cols := t.Shape.Dim[0], t.Shape.Dim[1]
	if transposed {
		return matrix{numbers(t), cols, rows, 1, cols}
	}
	return matrix{numbers(t), rows, cols, cols, 1}
}

func (m matrix) at(i, j int) float64 { return m.numbers[i*m.rowStep+j*m.elemStep] }

// EigenScale writes s = alpha s + (1-alpha) batch g^2, then g = g / (s + eps).
func (*Backend) EigenScale(g, s tensor.T, alpha, batch, eps float64) {
	grad, scale := numbers(g), numbers(s)
	mustMatch(len(grad), len(scale))
	for i := range grad {
		scale[i] = alpha*scale[i] + (1-alpha)*batch*grad[i]*grad[i]
		grad[i] /= scale[i] + eps
	}
}

// AdamStep is one step of Adam, step counted from 1.
func (*Backend) AdamStep(p, m, v, g tensor.T, lr, beta1, beta2, eps float64, step int64) {
	param, mean, square, grad := numbers(p), numbers(m), numbers(v), numbers(g)
	mustMatch(len(param), len(grad))
	mustMatch(len(mean), len(grad))
	mustMatch(len(square), len(grad))
	unbias1 := 1 - math.Pow(beta1, float64(step))
	unbias2 := 1 - math.Pow(beta2, float64(step))
	for i, gi := range grad {
		mean[i] = beta1*mean[i] + (1-beta1)*gi
		square[i] = beta2*square[i] + (1-beta2)*gi*gi
		param[i] -= lr * (mean[i] / unbias1) / (math.Sqrt(square[i]/unbias2) + eps)
	}
}
