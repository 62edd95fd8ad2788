package cpu

import "odepipe/pkg/tensor"

// AvgPool writes the means of the k x k windows of x [C, H, W]; dst [C, H/k, W/k].
func (be *Backend) AvgPool(dst tensor.T, k int, x tensor.T) {
	p := poolingOf(dst, k, x)
	d, v := floats(dst), floats(x)
	clear(d)
	scale := float32(1 / float64(k*k))
	p.pairs(blocks(x.N), func(large, small int) {
		out, in := d[small:][:p.row], v[large:][:p.row]
		for i, a := range in {
			out[i] += scale * a
		}
	})
}

// AvgPoolGrad writes dy / k^2 to the windows of dx, 0 to the rest.
func (be *Backend) AvgPoolGrad(dx tensor.T, k int, dy tensor.T) {
	p := poolingOf(dy, k, dx)
	d, v := floats(dx), floats(dy)
	clear(d)
	scale := float32(1 / float64(k*k))
	p.pairs(blocks(dx.N), func(large, small int) {
		out, in := d[large:][:p.row], v[small:][:p.row]
		for i, a := range in {
			out[i] = scale * a
		}
	})
}

// pooling relates the pixels of images [h][w][row] and [h/k][w/k][row], a row being all channels and lanes of a pixel.
type pooling struct{ k, height, width, row int }

func poolingOf(small tensor.T, k int, large tensor.T) pooling {
	s, l := small.Shape, large.Shape
	if s.Rank != 3 || l.Rank != 3 || small.N != large.N || s != tensor.Of(l.Dim[0], l.Dim[1]/k, l.Dim[2]/k) {
		panic("cpu: images do not fit the pooling")
	}
	return pooling{k: k, height: l.Dim[1], width: l.Dim[2], row: l.Dim[0] * lanes}
}

// pairs visits every pixel of the large images that lies in a window, with its window: their first floats.
func (p pooling) pairs(blocks int, visit func(large, small int)) {
	oh, ow := p.height/p.k, p.width/p.k
	for b := 0; b < blocks; b++ {
		for h := 0; h < oh*p.k; h++ {
			for w := 0; w < ow*p.k; w++ {
				visit(((b*p.height+h)*p.width+w)*p.row, ((b*oh+h/p.k)*ow+w/p.k)*p.row)
			}
		}
	}
}
