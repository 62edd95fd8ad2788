package cuda

const (
	tile      = 64 // rows and columns of a block's part of a product
	tileDepth = 16
	// blasWork is the number of multiplications from which a product goes to cuBLAS where it is there.
	blasWork = 1 << 22
)

// output is where a product goes: rows of pitch numbers, cols of them from offset on, to which an image of pixels rows is
// added again and again, if there is one.
type output struct {
	dst                       span
	rows, cols, pitch, offset int
	image                     span
	pixels                    int
}

// inSlices runs a product of so many steps, cut into slices where its tiles alone would not keep the device busy. start begins
// the call of the kernel for an output and a length of slices.
func (be *Backend) inSlices(o output, depth int, start func(o output, length int) *call) {
	down, across := ceil(o.rows, tile), ceil(o.cols, tile)
	const leastLength = 4 * tileDepth
	slices := max(1, min(depth/leastLength, wantedBlocks/max(1, down*across)))
	length := max(1, ceil(ceil(depth, slices), tileDepth)) * tileDepth
	slices = max(1, ceil(depth, length))
	if slices == 1 {
		start(o, length).launch(down, across, 1, blockThreads)
		return
	}
	mark := be.Mark()
	partial := output{dst: be.take(slices * o.rows * o.cols), rows: o.rows, cols: o.cols, pitch: o.cols, pixels: 1}
	start(partial, length).launch(down, across, slices, blockThreads)
	be.fold(o, partial.dst, slices)
	be.Release(mark)
}

// fold writes the sum of the slices [slice][rows][cols].
func (be *Backend) fold(o output, slices span, count int) {
	be.call("fold").span(o.dst).ints(o.rows, o.cols, o.pitch, o.offset).span(slices).ints(count).
		span(o.image).ints(o.pixels * o.cols).each(o.rows * o.cols)
}

// operand is a matrix factor: element k of line i lies at i line + k step, one of which is 1.
type operand struct {
	numbers    span
	line, step int
}

// matrixProduct writes rows i and columns j of o: sum_k a(i, k) b(j, k), plus the image.
func (be *Backend) matrixProduct(o output, a, b operand, depth int) {
	if be.dev.hasBLAS() && o.rows*o.cols*depth >= blasWork {
		be.blasProduct(o, a, b, depth)
		return
	}
	kernel := "productLL"
	switch {
	case a.step == 1 && b.step == 1:
		kernel = "productSS"
	case a.step == 1:
		kernel = "productSL"
	case b.step == 1:
		kernel = "productLS"
	}
	be.inSlices(o, depth, func(o output, length int) *call {
		return be.call(kernel).span(o.dst).ints(o.pitch, o.offset).span(a.numbers).ints(a.line, a.step).span(b.numbers).ints(b.line, b.step).
			ints(o.rows, o.cols, depth, length).span(o.image).ints(max(1, o.pixels))
	})
}

// blasProduct is matrixProduct by cuBLAS. Its matrices are column-major, so the row-major C = A B is its C^T = B^T A^T; this is
// the one place that knows.
func (be *Backend) blasProduct(o output, a, b operand, depth int) {
	if be.err != nil {
		return
	}
	transA, transB := a.step != 1, b.step == 1
	be.fail(be.dev.sgemm(transB, transA, o.cols, o.rows, depth, b.numbers.address, max(b.line, b.step), a.numbers.address, max(a.line, a.step),
		o.dst.address+uintptr(4*o.offset), o.pitch))
	if o.image.address != 0 {
		be.call("addImages").span(o.dst).ints(o.rows*o.cols, o.pixels*o.cols).list(list{all: 1}).span(o.image).each(o.rows * o.cols)
	}
}
