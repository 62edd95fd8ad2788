package ref

import "odepipe/pkg/tensor"

// Upload copies row-major host numbers into dst, images from [N, C, H, W] to [N, H, W, C].
func (*Backend) Upload(dst tensor.T, src tensor.Buffer) {
	out := numbers(dst)
	mustMatch(src.Len(), len(out))
	eachElement(dst, func(here, there int) { out[here] = src.At(there) })
}

// Download copies src into row-major host numbers, images from [N, H, W, C] to [N, C, H, W].
func (*Backend) Download(dst tensor.Buffer, src tensor.T) {
	in := numbers(src)
	mustMatch(dst.Len(), len(in))
	eachElement(src, func(here, there int) { dst.Set(there, in[here]) })
}

// eachElement pairs every position of t with that of the same element in row-major order.
func eachElement(t tensor.T, visit func(here, there int)) {
	if t.N == 0 || t.Shape.Rank != 3 {
		for i := range t.Size() {
			visit(i, i)
		}
		return
	}
	channels, pixels := t.Shape.Dim[0], t.Shape.Dim[1]*t.Shape.Dim[2]
	for n := range t.N {
		for p := range pixels {
			for c := range channels {
				visit((n*pixels+p)*channels+c, (n*channels+c)*pixels+p)
			}
		}
	}
}

// Flatten writes x [N, C, H, W] as vectors [N, C H W] in the order (c, h, w).
func (*Backend) Flatten(dst, x tensor.T) {
	mustMatch(dst.N, x.N)
	mustMatch(dst.Size(), x.Size())
	out, in := numbers(dst), numbers(x)
	eachElement(x, func(here, there int) { out[there] = in[here] })
}

// Unflatten writes vectors x [N, C H W] in the order (c, h, w) as images dst [N, C, H, W].
func (*Backend) Unflatten(dst, x tensor.T) {
	mustMatch(dst.N, x.N)
	mustMatch(dst.Size(), x.Size())
	out, in := numbers(dst), numbers(x)
	eachElement(dst, func(here, there int) { out[here] = in[there] })
}

// Join writes the features of x [N, C], then those of y [N, D], as dst [N, C + D].
func (*Backend) Join(dst, x, y tensor.T) {
	mustMatch(dst.N, x.N)
	mustMatch(dst.N, y.N)
	out, left, right := numbers(dst), numbers(x), numbers(y)
	size, split := dst.Shape.Size(), x.Shape.Size()
	mustMatch(size, split+y.Shape.Size())
	for i := range out {
		if n, d := i/size, i%size; d < split {
			out[i] = left[n*split+d]
		} else {
			out[i] = right[n*(size-split)+d-split]
		}
	}
}

// Part writes the features of x from the first on, as many as dst has.
func (*Backend) Part(dst, x tensor.T, first int) {
	mustMatch(dst.N, x.N)
	out, in := numbers(dst), numbers(x)
	size, whole := dst.Shape.Size(), x.Shape.Size()
	if first < 0 || first+size > whole {
		panic("ref: shape mismatch")
	}
	for i := range out {
		out[i] = in[i/size*whole+first+i%size]
	}
}
