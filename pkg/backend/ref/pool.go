package ref

import "odepipe/pkg/tensor"

// AvgPool writes the means of non-overlapping k x k windows: x [N, C, H, W], dst [N, C, H/k, W/k].
func (*Backend) AvgPool(dst tensor.T, k int, x tensor.T) {
	out, in := numbers(dst), numbers(x)
	clear(out)
	eachWindow(dst, k, x, func(small, large int) { out[small] += in[large] / float64(k*k) })
}

// AvgPoolGrad spreads dy / k^2 over the windows: dx [N, C, H, W], dy [N, C, H/k, W/k].
func (*Backend) AvgPoolGrad(dx tensor.T, k int, dy tensor.T) {
	out, in := numbers(dx), numbers(dy)
	clear(out)
	eachWindow(dy, k, dx, func(small, large int) { out[large] = in[small] / float64(k*k) })
}

// eachWindow pairs the position of every window in small with those of its k^2 elements in large.
func eachWindow(small tensor.T, k int, large tensor.T, visit func(small, large int)) {
	mustMatch(small.N, large.N)
	c, h, w := large.Shape.Dim[0], large.Shape.Dim[1], large.Shape.Dim[2]
	mustMatch(small.Shape, tensor.Of(c, h/k, w/k))
	for n := range large.N {
		for i := range h / k * k { // without the rest that fills no window
			for j := range w / k * k {
				for o := range c {
					visit(((n*(h/k)+i/k)*(w/k)+j/k)*c+o, ((n*h+i)*w+j)*c+o)
				}
			}
		}
	}
}
