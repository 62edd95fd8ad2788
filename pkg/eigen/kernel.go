package eigen

// multiplyTileGo adds alpha a^T b to c for a [length, tileRows], b [length, tileColumns]; the rows of c [tileRows,
// tileColumns] are stride apart.
func multiplyTileGo(length, stride int, alpha float64, a, b, c []float64) {
	for j := 0; j < tileColumns; j += 2 {
		var s00, s01, s10, s11, s20, s21, s30, s31 float64
		for p := 0; p < length; p++ {
			x, y := a[p*tileRows:p*tileRows+4], b[p*tileColumns+j:p*tileColumns+j+2]
			s00 += x[0] * y[0]
			s01 += x[0] * y[1]
			s10 += x[1] * y[0]
			s11 += x[1] * y[1]
			s20 += x[2] * y[0]
			s21 += x[2] * y[1]
			s30 += x[3] * y[0]
			s31 += x[3] * y[1]
		}
		sums := [...]float64{s00, s01, s10, s11, s20, s21, s30, s31}
		for i, v := range sums {
			c[i/2*stride+j+i%2] += alpha * v
		}
	}
}

// dot4Go writes the inner products of x [n] with four rows, row r being a[r*stride : r*stride+n].
func dot4Go(n, stride int, a, x []float64, dots *[4]float64) {
	r0, r1, r2, r3 := a[:n], a[stride:stride+n], a[2*stride:2*stride+n], a[3*stride:3*stride+n]
	var s0, s1, s2, s3 float64
	for i, v := range x[:n] {
		s0 += r0[i] * v
		s1 += r1[i] * v
		s2 += r2[i] * v
		s3 += r3[i] * v
	}
	*dots = [4]float64{s0, s1, s2, s3}
}

// dot is the inner product of two vectors of one length.
func dot(x, y []float64) float64 {
	s := 0.0
	for i, v := range x {
		s += v * y[i]
	}
	return s
}
