package eigen

import "golang.org/x/sys/cpu"

var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func multiplyTileAVX2(length, stride int, alpha float64, a, b, c *float64)

//go:noescape
func dot4AVX2(n, stride int, a, x, dots *float64)

func multiplyTile(length, stride int, alpha float64, a, b, c []float64) {
	if !hasAVX2 {
		multiplyTileGo(length, stride, alpha, a, b, c)
		return
	}
	_, _, _ = a[length*tileRows-1], b[length*tileColumns-1], c[(tileRows-1)*stride+tileColumns-1]
	multiplyTileAVX2(length, stride, alpha, &a[0], &b[0], &c[0])
}

func dot4(n, stride int, a, x []float64, dots *[4]float64) {
	whole := n &^ 7
	if !hasAVX2 || whole == 0 {
		dot4Go(n, stride, a, x, dots)
		return
	}
	_, _ = a[3*stride+n-1], x[n-1]
	dot4AVX2(whole, stride, &a[0], &x[0], &dots[0])
	for i := whole; i < n; i++ {
		for r := range dots {
			dots[r] += a[r*stride+i] * x[i]
		}
	}
}
