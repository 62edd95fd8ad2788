package ode_test

import "odepipe/pkg/ode"

// tree is a rooted tree, given by the trees that hang from its root. Trees of n nodes are the order conditions of order
// n (Butcher; Hairer, Norsett, Wanner I, II.2).
type tree []tree

// trees lists the rooted trees of every number of nodes up to n; trees(n)[k] are those of k.
func trees(n int) [][]tree {
	of := make([][]tree, n+1)
	for k := 1; k <= n; k++ {
		var all []tree // of fewer nodes, the smaller ones first
		for _, smaller := range of[:k] {
			all = append(all, smaller...)
		}
		of[k] = grow(nil, k-1, all)
	}
	return of
}

// grow lists the trees with root children and further ones of so many nodes in all, in the order of all from its start on.
func grow(children tree, nodes int, all []tree) []tree {
	if nodes == 0 {
		return []tree{append(tree(nil), children...)}
	}
	var grown []tree
	for i, child := range all {
		if child.nodes() <= nodes {
			grown = append(grown, grow(append(children[:len(children):len(children)], child), nodes-child.nodes(), all[i:])...)
		}
	}
	return grown
}

func (t tree) nodes() int {
	n := 1
	for _, child := range t {
		n += child.nodes()
	}
	return n
}

// density is gamma(t).
func (t tree) density() float64 {
	d := float64(t.nodes())
	for _, child := range t {
		d *= child.density()
	}
	return d
}

// product is what the weights of the root multiply: of every row i of a, prod over the children of sum_j a_ij product_j.
func (t tree) product(a [][]float64) []float64 {
	p := make([]float64, len(a))
	for i := range p {
		p[i] = 1
	}
	for _, child := range t {
		inner := child.product(a)
		for i, row := range a {
			s := 0.0
			for j, aij := range row {
				s += aij * inner[j]
			}
			p[i] *= s
		}
	}
	return p
}

// defect is the largest violation by weights w of the order conditions of n nodes, sum_i w_i product_i = 1 / density.
func defect(w []float64, a [][]float64, n int) float64 {
	worst := 0.0
	for _, t := range trees(n)[n] {
		left := 0.0
		for i, p := range t.product(a) {
			if i < len(w) {
				left += w[i] * p
			}
		}
		worst = max(worst, left-1/t.density(), 1/t.density()-left)
	}
	return worst
}

// points is the coefficients of the slopes' evaluation points: the stages with their diagonal and, where the last of
// them does not serve for it, the end of the step.
func points(m *ode.Tableau) [][]float64 {
	var a [][]float64
	for i, row := range m.A {
		row = append([]float64(nil), row...)
		if i > 0 {
			row = append(row, m.Gamma)
		}
		a = append(a, row)
	}
	if m.Slopes() > len(a) {
		a = append(a, m.B)
	}
	return a
}
