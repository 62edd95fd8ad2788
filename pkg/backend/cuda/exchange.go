package cuda

import "odepipe/pkg/tensor"

// channelsOf splits a sample's shape into channels and pixels: [C, H, W] is C and H W, anything else one pixel.
func channelsOf(s tensor.Shape) (channels, pixels int) {
	if s.Rank == 3 {
		return s.Dim[0], s.Dim[1] * s.Dim[2]
	}
	return s.Size(), 1
}

// reordered says whether a tensor lies in memory in another order than on the host.
func reordered(t tensor.T) bool {
	channels, pixels := channelsOf(t.Shape)
	return t.N > 0 && channels > 1 && pixels > 1
}

// Upload copies row-major host numbers into dst, images from [N, C, H, W] to [N, H, W, C].
func (be *Backend) Upload(dst tensor.T, src tensor.Buffer) {
	mustMatch(src.Len(), dst.Size())
	single := src.F32
	if src.F64 != nil {
		single = be.singles(src.F64)
	}
	if !reordered(dst) {
		be.write(numbers(dst), single)
		return
	}
	mark := be.Mark()
	staged := be.take(dst.Size())
	be.write(staged, single)
	channels, pixels := channelsOf(dst.Shape)
	be.transpose(numbers(dst), channels, pixels, staged)
	be.Release(mark)
}

// Download copies src into row-major host numbers, images from [N, H, W, C] to [N, C, H, W]. After a failure it writes zeros.
func (be *Backend) Download(dst tensor.Buffer, src tensor.T) {
	mustMatch(dst.Len(), src.Size())
	single := dst.F32
	if dst.F64 != nil {
		single = be.scratch(dst.Len())
	}
	from := numbers(src)
	mark := be.Mark()
	if reordered(src) {
		from = be.take(src.Size())
		channels, pixels := channelsOf(src.Shape)
		be.transpose(from, pixels, channels, numbers(src))
	}
	be.read(single, from)
	be.Release(mark)
	if be.err != nil {
		clear(single)
	}
	for i := range dst.F64 {
		dst.F64[i] = float64(single[i])
	}
}

// transpose writes every matrix [p, q] of src as its transpose [q, p].
func (be *Backend) transpose(dst span, p, q int, src span) {
	be.call("transposeEach").span(dst).ints(dst.length, p, q).span(src).each(dst.length)
}

// Flatten reorders features from (h, w, c) to (c, h, w): dst is a vector, x an image.
func (be *Backend) Flatten(dst, x tensor.T) {
	sameSize(dst, x)
	channels, pixels := channelsOf(x.Shape)
	be.transpose(numbers(dst), pixels, channels, numbers(x))
}

// Unflatten is the inverse: dst is an image, x a vector.
func (be *Backend) Unflatten(dst, x tensor.T) {
	sameSize(dst, x)
	channels, pixels := channelsOf(dst.Shape)
	be.transpose(numbers(dst), channels, pixels, numbers(x))
}

// Join writes the features of x, then those of y.
func (be *Backend) Join(dst, x, y tensor.T) {
	mustMatch(dst.N, x.N)
	mustMatch(dst.N, y.N)
	split := x.Shape.Size()
	mustMatch(dst.Shape.Size(), split+y.Shape.Size())
	be.copyFeatures(dst, 0, x, 0, split)
	be.copyFeatures(dst, split, y, 0, y.Shape.Size())
}

// Part writes the features of x from the first on, as many as dst has.
func (be *Backend) Part(dst, x tensor.T, first int) {
	mustMatch(dst.N, x.N)
	if first < 0 || first+dst.Shape.Size() > x.Shape.Size() {
		panic("cuda: the part does not fit")
	}
	be.copyFeatures(dst, 0, x, first, dst.Shape.Size())
}

// copyFeatures copies so many features of each sample.
func (be *Backend) copyFeatures(dst tensor.T, firstDst int, x tensor.T, firstX, count int) {
	n := dst.N * count
	be.call("copyFeatures").tensor(dst).ints(n, count, dst.Shape.Size(), firstDst).
		tensor(x).ints(x.Shape.Size(), firstX).each(n)
}
