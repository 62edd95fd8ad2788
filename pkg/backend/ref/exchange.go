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
