package cpu

// lineCall is the argument of the kernels of minimal filtering, each of which multiplies by one small matrix m: for each
// line, row of 16 lanes and output i
//
//	dst[line][i][to + 16 row + lane] = image[line][i][to/16 + row] + sum_k m[i][k] src[line][k][from + 16 row + lane]
//
// src, dst and image are tables of pointers, [line][inputs] or [line][outputs]; the kernels without an image do not read its
// table. There is at least one line and one row. A kernel may change its call. The assembly knows the offsets.
type lineCall struct {
	src, dst, image **float32
	from, to        int
	lines, rows     int
}

// lineKernels are those of one toomcook.Filter.
type lineKernels struct {
	data      func(*lineCall) // B^T
	weight    func(*lineCall) // G
	output    func(*lineCall) // A^T
	image     func(*lineCall) // A^T, and the image
	cotangent func(*lineCall) // A
	gradient  func(*lineCall) // G^T
}

// maxProducts is the number of products of the largest filter along one axis.
const maxProducts = 6

// nestRows is the number of rows that go through both transforms of a nest before the next ones follow: what lies between
// the two stays in the first-level cache.
const nestRows = 8

// nest is a pair of transforms of a grid [rows][columns] of inputs, first of each column, then of each of the rows that come
// out. tables say where inputs and outputs lie.
type nest struct {
	down, right               func(*lineCall)
	rows, columns             int // of the inputs
	outputRows, outputColumns int
}

// nestTables are the tables of a thread for the nest in hand.
type nestTables struct {
	call                                 lineCall
	src, middleOut, middleIn, dst, image [maxProducts * maxProducts]*float32
}

// middleFloats is the room for what lies between the two transforms.
const middleFloats = nestRows * lanes * maxProducts * maxProducts

// put says where row i, column j of the inputs begins.
func (n *nest) put(t *nestTables, i, j int, p *float32) { t.src[j*n.rows+i] = p }

// get says where row i, column j of the outputs begins.
func (n *nest) get(t *nestTables, i, j int, p *float32) { t.dst[i*n.outputColumns+j] = p }

// add says where the image for row i, column j of the outputs begins.
func (n *nest) add(t *nestTables, i, j int, p *float32) { t.image[i*n.outputColumns+j] = p }

// apply transforms so many rows of lanes.
func (n *nest) apply(t *nestTables, middle []float32, rows int) {
	for j := range n.columns {
		for i := range n.outputRows {
			p := &middle[(i*n.columns+j)*nestRows*lanes]
			t.middleOut[j*n.outputRows+i], t.middleIn[i*n.columns+j] = p, p
		}
	}
	for first := 0; first < rows; first += nestRows {
		count := min(nestRows, rows-first)
		t.call = lineCall{src: &t.src[0], dst: &t.middleOut[0], lines: n.columns, rows: count, from: first * lanes}
		n.down(&t.call)
		t.call = lineCall{src: &t.middleIn[0], dst: &t.dst[0], image: &t.image[0], lines: n.outputRows, rows: count, to: first * lanes}
		n.right(&t.call)
	}
}
