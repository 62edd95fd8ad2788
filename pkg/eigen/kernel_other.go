//go:build !amd64

package eigen

func multiplyTile(length, stride int, alpha float64, a, b, c []float64) {
	multiplyTileGo(length, stride, alpha, a, b, c)
}

func dot4(n, stride int, a, x []float64, dots *[4]float64) { dot4Go(n, stride, a, x, dots) }
