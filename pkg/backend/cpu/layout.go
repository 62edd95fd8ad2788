package cpu

import "odepipe/pkg/tensor"

// channelsOf splits a sample's shape into channels and pixels: [C, H, W] is C and H W, anything else one pixel.
func channelsOf(s tensor.Shape) (channels, pixels int) {
	if s.Rank == 3 {
		return s.Dim[0], s.Dim[1] * s.Dim[2]
	}
	return s.Size(), 1
}

// Upload converts row-major host numbers to the layout; padding gets copies of the last sample.
func (be *Backend) Upload(dst tensor.T, src tensor.Buffer) {
	if src.Len() != dst.Size() {
		panic("cpu: upload of another size")
	}
	if src.F64 != nil {
		upload(floats(dst), dst, src.F64)
	} else {
		upload(floats(dst), dst, src.F32)
	}
}

func upload[E float32 | float64](dst []float32, t tensor.T, src []E) {
	if t.N == 0 {
		for i, v := range src {
			dst[i] = float32(v)
		}
		return
	}
	channels, pixels := channelsOf(t.Shape)
	size := channels * pixels
	for b := 0; b < blocks(t.N); b++ {
		block := dst[b*size*lanes:][:size*lanes]
		for lane := 0; lane < lanes; lane++ {
			sample := src[min(b*lanes+lane, t.N-1)*size:][:size]
			for c := 0; c < channels; c++ {
				for p, v := range sample[c*pixels:][:pixels] {
					block[(p*channels+c)*lanes+lane] = float32(v)
				}
			}
		}
	}
}

// Download converts a tensor to row-major host numbers.
func (be *Backend) Download(dst tensor.Buffer, src tensor.T) {
	if dst.Len() != src.Size() {
		panic("cpu: download of another size")
	}
	if dst.F64 != nil {
		download(dst.F64, src, floats(src))
	} else {
		download(dst.F32, src, floats(src))
	}
}

func download[E float32 | float64](dst []E, t tensor.T, src []float32) {
	if t.N == 0 {
		for i := range dst {
			dst[i] = E(src[i])
		}
		return
	}
	channels, pixels := channelsOf(t.Shape)
	size := channels * pixels
	for n := 0; n < t.N; n++ {
		block := src[n/lanes*size*lanes:][:size*lanes]
		sample := dst[n*size:][:size]
		for c := 0; c < channels; c++ {
			for p := 0; p < pixels; p++ {
				sample[c*pixels+p] = E(block[(p*channels+c)*lanes+n%lanes])
			}
		}
	}
}

// Flatten reorders features from (h, w, c) to (c, h, w): dst is a vector, x an image.
func (be *Backend) Flatten(dst, x tensor.T) {
	sameSize(dst, x)
	channels, pixels := channelsOf(x.Shape)
	transposeRows(floats(dst), floats(x), pixels, channels)
}

// Unflatten is the inverse: dst is an image, x a vector.
func (be *Backend) Unflatten(dst, x tensor.T) {
	sameSize(dst, x)
	channels, pixels := channelsOf(dst.Shape)
	transposeRows(floats(dst), floats(x), channels, pixels)
}

// transposeRows turns blocks of [p][q][16] into [q][p][16].
func transposeRows(dst, src []float32, p, q int) {
	size := p * q * lanes
	for b := 0; b+size <= len(src) && size > 0; b += size {
		for i := 0; i < p; i++ {
			for j := 0; j < q; j++ {
				copy(dst[b+(j*p+i)*lanes:][:lanes], src[b+(i*q+j)*lanes:][:lanes])
			}
		}
	}
}

// Join writes the features of x, then those of y.
func (be *Backend) Join(dst, x, y tensor.T) {
	size, split := dst.Shape.Size(), x.Shape.Size()
	if dst.N == 0 || x.N != dst.N || y.N != dst.N || size != split+y.Shape.Size() {
		panic("cpu: parts do not fit")
	}
	copyFeatures(floats(dst), floats(x), size, split, split, blocks(dst.N))
	copyFeatures(floats(dst)[split*lanes:], floats(y), size, size-split, size-split, blocks(dst.N))
}

// Part writes the features of x from the first on, as many as dst has.
func (be *Backend) Part(dst, x tensor.T, first int) {
	size, whole := dst.Shape.Size(), x.Shape.Size()
	if dst.N == 0 || x.N != dst.N || first < 0 || first+size > whole {
		panic("cpu: the part does not fit")
	}
	copyFeatures(floats(dst), floats(x)[first*lanes:], size, whole, size, blocks(dst.N))
}

// copyFeatures copies so many features of each block from samples of one size to samples of another.
func copyFeatures(dst, src []float32, sizeDst, sizeSrc, count, blocks int) {
	for b := range blocks {
		copy(dst[b*sizeDst*lanes:][:count*lanes], src[b*sizeSrc*lanes:][:count*lanes])
	}
}
