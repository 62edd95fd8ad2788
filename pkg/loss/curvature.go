package loss

import "math"

// Rank is the number of columns of Factor for outputs of the given width.
func (l Loss) Rank(width int) int { return l.rank(width) }

// Factor writes an exact factor S of the Hessian of one sample's loss with respect to its output z,
//
//	d^2 Phi / dz^2 = S S^T = sum_i s_i s_i^T        rows[i] = s_i [width], i < Rank(width)
//
// the terminal vectors of Proposition 2 for a block at the very end of a model.
func (l Loss) Factor(rows [][]float64, pred []float64) { l.factor(rows, pred) }

// Draw writes one vector s with E[s s^T] = d^2 Phi / dz^2: the gradient of the loss at a target drawn from the model's
// own distribution of targets given z. uniform and normal are independent variates, from which it takes what it needs.
func (l Loss) Draw(s, pred []float64, uniform, normal func() float64) {
	l.draw(s, pred, uniform, normal)
}

// HessianVector adds d^2 Phi / dz^2 v to dst. rows is scratch as for Factor.
func (l Loss) HessianVector(dst []float64, rows [][]float64, pred, v []float64) {
	l.factor(rows, pred)
	for _, s := range rows {
		along := 0.0
		for d := range v {
			along += s[d] * v[d]
		}
		for d := range dst {
			dst[d] += along * s[d]
		}
	}
}

// softmax writes the probabilities of logits.
func softmax(p, z []float64) {
	top := math.Inf(-1)
	for _, v := range z {
		top = math.Max(top, v)
	}
	sum := 0.0
	for c, v := range z {
		p[c] = math.Exp(v - top)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
}

// softmaxFactor factors the Hessian of the cross entropy, with r the vector of sqrt(p_c):
//
//	diag(p) - p p^T = diag(r) (I - r r^T) diag(r) = diag(r) V V^T diag(r),   rank C - 1
//
// The columns of V span the complement of r: all but column 0 of the Householder reflection I - 2 u u^T / |u|^2 with
// u = r + e_0, which takes r to -e_0.
func softmaxFactor(rows [][]float64, pred []float64) {
	p := make([]float64, len(pred))
	softmax(p, pred)
	r := make([]float64, len(p))
	for c := range p {
		r[c] = math.Sqrt(p[c])
	}
	for i, row := range rows {
		column := i + 1
		for c := range row {
			u := r[c]
			if c == 0 {
				u++
			}
			v := -u * r[column] / (1 + r[0]) // |u|^2 / 2 = 1 + r_0, because |r| = 1
			if c == column {
				v++
			}
			row[c] = r[c] * v
		}
	}
}

// softmaxDraw is softmax(z) - e_y for a class y drawn from softmax(z).
func softmaxDraw(s, pred []float64, uniform, _ func() float64) {
	softmax(s, pred)
	u, last := uniform(), len(s)-1
	for c, p := range s {
		if u -= p; u < 0 || c == last {
			s[c]--
			return
		}
	}
}

// identityFactor is the Hessian of half a squared distance.
func identityFactor(rows [][]float64, _ []float64) {
	for i, row := range rows {
		clear(row)
		row[i] = 1
	}
}

// normalDraw is z - y for a target y of unit variance around z.
func normalDraw(s, _ []float64, _, normal func() float64) {
	for d := range s {
		s[d] = normal()
	}
}
