package eigen

import (
	"sync"
	"sync/atomic"
)

// matrix is a view: element (i, j) is data[i*row + j*column].
type matrix struct {
	data        []float64
	row, column int
}

func rowMajor(data []float64, stride int) matrix { return matrix{data, stride, 1} }

func (m matrix) transposed() matrix { return matrix{m.data, m.column, m.row} }

// Sizes of the blocked product: tiles of tileRows x tileColumns are accumulated in registers over runs of at most
// depth; a block of blockRows x depth of a (128 KB) stays in the second cache, a panel of b (24 KB) in the first.
const (
	tileRows    = 4
	tileColumns = 12
	depth       = 256
	blockRows   = 64
)

// product computes c += alpha a b for a [m, k], b [k, n], c [m, n]; c must have adjacent columns. The order of the
// sums is fixed by the sizes alone.
func product(m, n, k int, alpha float64, a, b, c matrix, threads int) {
	if m == 0 || n == 0 {
		return
	}
	panels := (n + tileColumns - 1) / tileColumns
	packedB := make([]float64, panels*tileColumns*min(k, depth))
	for k0 := 0; k0 < k; k0 += depth {
		length := min(depth, k-k0)
		split(panels, threads, func(p int) {
			pack(packedB[p*tileColumns*length:], tileColumns, length, b.transposed(), p*tileColumns, n, k0)
		})
		split((m+blockRows-1)/blockRows, threads, func(block int) {
			rowBlock(block*blockRows, m, n, length, k0, alpha, a, packedB, c)
		})
	}
}

// rowBlock adds alpha a[i0:i0+blockRows, k0:k0+length] b[k0:k0+length, :] to c's rows.
func rowBlock(i0, m, n, length, k0 int, alpha float64, a matrix, packedB []float64, c matrix) {
	var packedA [blockRows * depth]float64
	rows := min(blockRows, m-i0)
	for i := 0; i < rows; i += tileRows {
		pack(packedA[i*length:], tileRows, length, a, i0+i, m, k0)
	}
	for j := 0; j < n; j += tileColumns {
		for i := 0; i < rows; i += tileRows {
			left, right, out := packedA[i*length:], packedB[j*length:], c.data[(i0+i)*c.row+j:]
			if i+tileRows <= rows && j+tileColumns <= n {
				multiplyTile(length, c.row, alpha, left, right, out)
				continue
			}
			var tile [tileRows * tileColumns]float64
			multiplyTile(length, tileColumns, alpha, left, right, tile[:])
			for r := 0; r < min(tileRows, rows-i); r++ {
				for q := 0; q < min(tileColumns, n-j); q++ {
					out[r*c.row+q] += tile[r*tileColumns+q]
				}
			}
		}
	}
}

// pack copies rows i0:i0+width, columns k0:k0+length of m into dst[length][width], zeros standing for the rows from
// end on. It follows whichever index of m has adjacent elements.
func pack(dst []float64, width, length int, m matrix, i0, end, k0 int) {
	rows := min(width, end-i0)
	if rows < width {
		clear(dst[:length*width])
	}
	at := i0*m.row + k0*m.column
	if m.row == 1 {
		for p := 0; p < length; p++ {
			copy(dst[p*width:], m.data[at+p*m.column:at+p*m.column+rows])
		}
		return
	}
	for r := 0; r < rows; r++ {
		for p := 0; p < length; p++ {
			dst[p*width+r] = m.data[at+r*m.row+p*m.column]
		}
	}
}

// split calls do(0), ..., do(count-1), on up to threads goroutines; which of them does what must not matter.
func split(count, threads int, do func(i int)) {
	threads = min(threads, count)
	if threads <= 1 {
		for i := 0; i < count; i++ {
			do(i)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var others sync.WaitGroup
	for t := 1; t < threads; t++ {
		others.Add(1)
		go func() {
			defer others.Done()
			work()
		}()
	}
	work()
	others.Wait()
}
