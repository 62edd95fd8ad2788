package cpu

import "os"

// kernels is one set of inner loops. All sets do the same; they differ in the size of their register tiles.
type kernels struct {
	name          string
	tileRows      int                  // the largest number of rows of a tile
	tile          []func(*tileCall)    // for each number of rows, from 1
	dotRows       int                  // of a dot tile, and of the panels of a
	dotColumns    int                  // of a dot tile, and of the panels of b; at most dotPad
	dot           func(*dotCall)       // see dotCall
	transpose     func(*transposeCall) // see transposeCall
	lines         [6]lineKernels       // of toomcook.Filters
	combine       func(*streamCall)    // dst = sum of terms
	combineEach   func(*streamCall)    // dst = sum of terms, the coefficients being rows of x, and what has coefficient 0 not being read
	dotLanes      func(*streamCall)    // sum += x y
	multiply      func(*streamCall)    // dst = x y
	multiplyImage func(*streamCall)    // dst = x y, y being one number for each row
	addImage      func(*streamCall)    // dst += x y, x being one row, and y one number for each row
	activate      [7]func(*streamCall) // dst = sigma(x), by backend.Activation
	activateGrad  [7]func(*streamCall) // dst = y sigma'(x)
	activateGrad2 [7]func(*streamCall) // dst += y v sigma''(x), v being the one term
	scaledSquares func(*streamCall)    // sum += ((sum of terms) / (atol + rtol max(|x|, |y|)))^2
}

// tiles is the number of tiles into which so many rows are cut, all of nearly equal size.
func (k *kernels) tiles(rows int) int { return (rows + k.tileRows - 1) / k.tileRows }

// chooseKernels takes the fastest set that the processor has, but none above the one named by ODEPIPE_CPU.
func chooseKernels() *kernels {
	sets := available()
	for i, k := range sets {
		if k.name == os.Getenv("ODEPIPE_CPU") {
			return sets[i]
		}
	}
	return sets[0]
}
