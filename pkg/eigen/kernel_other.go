//go:build !amd64

package eigen

func multiplyTile(length int, a, b []float64, tile *[tileRows * tileColumns]float64) {
	multiplyTileGo(length, a, b, tile)
}

func dot4(n, stride int, a, x []float64, dots *[4]float64) { dot4Go(n, stride, a, x, dots) }
