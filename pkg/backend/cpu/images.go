package cpu

import (
	"unsafe"

	"odepipe/pkg/tensor"
)

// images is a sum over a batch, with a number for each sample, and an image [features], cut into parts by features or by
// blocks:
//
//	weightImages   image_d = sum_n coef[n] batch[n]_d     by features
//	dotImages      sum[n] += <batch[n], image>            by blocks
type images struct {
	kind    int
	batch   []float32
	samples int
	image   []float32
	coef    []float64 // of the samples
	sum     []float64
	parts   int
}

// Values of images.kind.
const (
	weightImages = iota
	dotImages
)

// sameImage panics unless image is plain and of the size of x's samples.
func sameImage(x, image tensor.T) {
	if x.N == 0 || image.N != 0 || image.Shape.Size() != x.Shape.Size() {
		panic("cpu: image does not fit the batch")
	}
}

// weightedSum writes dst_d = sum_n weight[n] x[n]_d.
func (be *Backend) weightedSum(dst, x []float32, weight []float64, samples int) {
	be.images = images{kind: weightImages, batch: x, samples: samples, image: dst, coef: weight}
	be.runImages(len(dst))
}

// AddImages adds y[n] += coef[n] image.
func (be *Backend) AddImages(y tensor.T, coef []float64, image tensor.T) {
	sameImage(y, image)
	if len(coef) != 1 && len(coef) != y.N {
		panic("cpu: one number for each sample")
	}
	if image.Shape.Size() == 0 {
		return
	}
	mark := be.Mark()
	table := be.arena.take(blocks(y.N) * lanes)
	for n := range table {
		table[n] = float32(coef[min(n, len(coef)-1)]) // that of the last sample for the padding
	}
	be.stream = stream{kernel: be.kernels.addImage, rows: image.Shape.Size(), coef: table, image: floats(image),
		call: streamCall{dst: unsafe.SliceData(floats(y)), count: 1}}
	be.mapBlocks(blocks(y.N), 8)
	be.Release(mark)
}

// DotImage adds sum[n] += sum_d x[n]_d image_d.
func (be *Backend) DotImage(sum []float64, x, image tensor.T) {
	sameImage(x, image)
	be.images = images{kind: dotImages, batch: floats(x), samples: x.N, image: floats(image), sum: sum}
	be.runImages(blocks(x.N))
}

// runImages runs be.images over so many features or blocks.
func (be *Backend) runImages(units int) {
	m := &be.images
	if m.kind == dotImages && len(m.sum) != m.samples || m.kind != dotImages && len(m.coef) != 1 && len(m.coef) != m.samples {
		panic("cpu: one number for each sample")
	}
	m.parts = be.pool.partsFor(units, len(m.batch)/4)
	be.pool.run(m, m.parts)
}

func (m *images) part(i int, _ *worker) {
	if m.kind == weightImages {
		for d, last := share(len(m.image), i, m.parts); d < last; d++ {
			m.weigh(d)
		}
		return
	}
	for block, last := share(blocks(m.samples), i, m.parts); block < last; block++ {
		rows := m.batch[block*len(m.image)*lanes:][:len(m.image)*lanes]
		m.dot(rows, block*lanes)
	}
}

// weigh writes feature d of the weighted sum.
func (m *images) weigh(d int) {
	sum := 0.0
	for first := 0; first < m.samples; first += lanes {
		row := m.batch[(first*len(m.image) + d*lanes):][:lanes]
		for l, v := range row[:min(lanes, m.samples-first)] {
			sum += m.coefOf(first+l) * float64(v)
		}
	}
	m.image[d] = float32(sum)
}

// dot adds the products with the rows of a block.
func (m *images) dot(rows []float32, first int) {
	var sum [lanes]float64
	for d, v := range m.image {
		row := (*[lanes]float32)(rows[d*lanes:])
		for l := range row {
			sum[l] += float64(row[l]) * float64(v)
		}
	}
	for l := range min(lanes, m.samples-first) {
		m.sum[first+l] += sum[l]
	}
}

// coefOf is the number of sample n, which may be one for all.
func (m *images) coefOf(n int) float64 {
	if len(m.coef) == 1 {
		return m.coef[0]
	}
	return m.coef[n]
}
