package cuda

import (
	"math"

	"odepipe/pkg/tensor"
)

// Gemm writes dst = op(a) op(b): dst [M, N], op(a) [M, K], op(b) [K, N].
func (be *Backend) Gemm(dst tensor.T, transA bool, a tensor.T, transB bool, b tensor.T) {
	rows, depth, left := matrix(a, transA)
	cols, same, right := matrix(b, !transB)
	mustMatch(depth, same)
	mustMatch(dst.Shape.Dim[0], rows)
	mustMatch(dst.Shape.Dim[1], cols)
	be.matrixProduct(output{dst: numbers(dst), rows: rows, cols: cols, pitch: cols}, left, right, depth)
}

// matrix is a plain matrix as an operand whose lines are its rows, or its columns if transposed.
func matrix(t tensor.T, transposed bool) (lines, steps int, o operand) {
	if t.N != 0 || t.Shape.Rank != 2 {
		panic("cuda: not a matrix")
	}
	rows, cols := t.Shape.Dim[0], t.Shape.Dim[1]
	if transposed {
		return cols, rows, operand{numbers(t), 1, cols}
	}
	return rows, cols, operand{numbers(t), cols, 1}
}

// EigenScale writes s <- alpha s + (1-alpha) batch g^2, then g <- g / (s + eps).
func (be *Backend) EigenScale(g, s tensor.T, alpha, batch, eps float64) {
	sameSize(g, s)
	be.call("eigenScale").tensor(g).tensor(s).ints(g.Size()).float(alpha).float((1 - alpha) * batch).float(eps).each(g.Size())
}

// AdamStep is one step of Adam.
func (be *Backend) AdamStep(p, m, v, g tensor.T, lr, beta1, beta2, eps float64, step int64) {
	sameSize(p, g)
	sameSize(m, g)
	sameSize(v, g)
	rate := lr / (1 - math.Pow(beta1, float64(step)))
	root := 1 / math.Sqrt(1-math.Pow(beta2, float64(step)))
	be.call("adamStep").tensor(p).tensor(m).tensor(v).tensor(g).ints(g.Size()).float(beta1).float(1 - beta1).float(beta2).float(1 - beta2).
		float(rate).float(root).float(eps).each(g.Size())
}
