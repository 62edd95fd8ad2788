package ref_test

import (
	"math"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

func TestExchange(t *testing.T) {
	be := ref.New()
	rowMajor := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} // [1, 2, 2, 3]
	channelsFast := []float64{1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12}
	image := batch(be, rowMajor, 1, 2, 2, 3)
	testkit.Close(t, "an image in memory", image.Buf.F64, channelsFast, 0, 0)
	testkit.Close(t, "an image and back", download(be, image), rowMajor, 0, 0)
	testkit.Close(t, "a batch of vectors in memory", batch(be, rowMajor, 3, 4).Buf.F64, rowMajor, 0, 0)
	testkit.Close(t, "a batch of matrices in memory", batch(be, rowMajor, 1, 4, 3).Buf.F64, rowMajor, 0, 0)
	testkit.Close(t, "a plain tensor in memory", plain(be, rowMajor, 2, 2, 3).Buf.F64, rowMajor, 0, 0)

	single := tensor.Float32.Make(12)
	be.Download(single, image)
	if single.F32[1] != 2 || single.F32[6] != 7 {
		t.Errorf("float32 numbers are %v", single.F32)
	}
	be.Upload(image, single)
	testkit.Close(t, "an image of float32", image.Buf.F64, channelsFast, 0, 0)

	vector := be.Batch(1, tensor.Of(12))
	be.Flatten(vector, image)
	testkit.Close(t, "flattened (c, h, w)", vector.Buf.F64, rowMajor, 0, 0)
	unflattened := be.Batch(1, tensor.Of(2, 2, 3))
	be.Unflatten(unflattened, vector)
	testkit.Close(t, "unflattened", unflattened.Buf.F64, channelsFast, 0, 0)
}

func TestFlattenKeepsSamplesApart(t *testing.T) {
	be := ref.New()
	numbers := testkit.Normal(1, 3*2*2*3)
	vector := be.Batch(3, tensor.Of(12))
	be.Flatten(vector, batch(be, numbers, 3, 2, 2, 3))
	testkit.Close(t, "vectors", download(be, vector), numbers, 0, 0)
}

func TestCombine(t *testing.T) {
	be := ref.New()
	x, y := plain(be, []float64{1, 2}, 2), plain(be, []float64{10, 20}, 2)
	poison := be.Plain(tensor.Of(2))
	dst := be.Plain(tensor.Of(2))
	be.Combine(dst, []float64{2, 0, -1}, x, poison, y)
	testkit.Close(t, "2 x - y", dst.Buf.F64, []float64{-8, -16}, 0, 0)
	be.Combine(dst, nil)
	testkit.Close(t, "nothing", dst.Buf.F64, []float64{0, 0}, 0, 0)
	be.Combine(y, []float64{3, 1}, x, y)
	testkit.Close(t, "y += 3 x", y.Buf.F64, []float64{13, 26}, 0, 0)
	be.Combine(poison, []float64{0, 1}, poison, x)
	testkit.Close(t, "a destination not read", poison.Buf.F64, []float64{1, 2}, 0, 0)
}

func TestCombineEach(t *testing.T) {
	be := ref.New()
	x, y := batch(be, []float64{1, 2, 3, math.NaN()}, 2, 2), batch(be, []float64{10, 20, 30, 40}, 2, 2)
	poison, dst := be.Batch(2, tensor.Of(2)), be.Batch(2, tensor.Of(2))
	be.CombineEach(dst, [][]float64{{2, 0}, nil, {-1, 3}}, x, poison, y)
	testkit.Close(t, "2 x - y | 3 y", dst.Buf.F64, []float64{-8, -16, 90, 120}, 0, 0)
	be.CombineEach(y, [][]float64{{1, 2}, {1, 0}}, y, x)
	testkit.Close(t, "y += x | y *= 2", y.Buf.F64, []float64{11, 22, 60, 80}, 0, 0)
	be.CombineEach(poison, nil)
	testkit.Close(t, "nothing", poison.Buf.F64, []float64{0, 0, 0, 0}, 0, 0)
}

func TestScaledSquares(t *testing.T) {
	be := ref.New()
	k1 := batch(be, []float64{1, 2, 3, 4}, 2, 2)
	k2 := batch(be, []float64{1, 1, 1, 1}, 2, 2)
	poison := be.Batch(2, tensor.Of(2))
	y0 := batch(be, []float64{-3, 0, 1, 0}, 2, 2)
	y1 := batch(be, []float64{1, 1, -5, 0}, 2, 2)
	sum := []float64{100, 200, 300}
	be.ScaledSquares(sum, []float64{2, 0, -1}, []tensor.T{k1, poison, k2}, y0, y1, 1, 2)
	// e = (1, 3 | 5, 7), scale = (1 + 2 3, 1 + 2 1 | 1 + 2 5, 1 + 2 0)
	testkit.Close(t, "sums by sample", sum, []float64{100 + 1./49 + 1, 200 + 25./121 + 49, 300}, 1e-12, 0)

	sum = []float64{0}
	v := plain(be, []float64{3, 4}, 2)
	be.ScaledSquares(sum, []float64{1}, []tensor.T{v}, v, v, 1, 0)
	testkit.Close(t, "a plain tensor", sum, []float64{25}, 0, 0)
	v.Buf.F64[1] = math.NaN()
	be.ScaledSquares(sum, []float64{1}, []tensor.T{plain(be, []float64{1, 1}, 2)}, v, v, 1, 1)
	if !math.IsNaN(sum[0]) {
		t.Error("a NaN in the scale is hidden")
	}
}

func TestDotAndSumBatch(t *testing.T) {
	be := ref.New()
	x, y := batch(be, []float64{1, 2, 3, 4, 5, 6}, 3, 2), batch(be, []float64{1, 1, 2, 2, -1, 0}, 3, 2)
	sum := []float64{0, 1, 0}
	be.Dot(sum, x, y)
	testkit.Close(t, "dots by sample", sum, []float64{3, 15, -5}, 0, 0)
	be.Dot(sum[:1], plain(be, []float64{1, 2}, 2), plain(be, []float64{3, 4}, 2))
	testkit.Close(t, "dot of plain tensors", sum[:1], []float64{14}, 0, 0)

	total := be.Plain(tensor.Of(2))
	be.SumBatch(total, x, nil)
	testkit.Close(t, "sum over the batch", total.Buf.F64, []float64{9, 12}, 0, 0)
	pixels := be.Plain(tensor.Of(1, 2, 2)) // [H, W, C]
	be.SumBatch(pixels, batch(be, []float64{1, 2, 3, 4, 10, 20, 30, 40}, 2, 2, 1, 2), nil)
	testkit.Close(t, "sum of images, channels fastest", pixels.Buf.F64, []float64{11, 33, 22, 44}, 0, 0)
}

func TestImages(t *testing.T) {
	be := ref.New()
	x, image := batch(be, []float64{1, 2, 3, 4}, 2, 2), plain(be, []float64{10, 100}, 2)
	sum := []float64{1, 0}
	be.DotImage(sum, x, image)
	testkit.Close(t, "dots by sample", sum, []float64{211, 430}, 0, 0)
	be.AddImages(x, []float64{1, -2}, image)
	testkit.Close(t, "a coefficient for each", x.Buf.F64, []float64{11, 102, -17, -196}, 0, 0)
	be.AddImages(x, []float64{0.5}, image)
	testkit.Close(t, "one for all", x.Buf.F64, []float64{16, 152, -12, -146}, 0, 0)
	product := be.Batch(2, tensor.Of(2))
	be.Multiply(product, x, image)
	testkit.Close(t, "product with an image", product.Buf.F64, []float64{160, 15200, -120, -14600}, 0, 0)
	be.Multiply(product, x, product)
	testkit.Close(t, "product in place", product.Buf.F64, []float64{2560, 2310400, 1440, 2131600}, 0, 0)
	be.SumBatch(image, x, []float64{1, 2})
	testkit.Close(t, "weighted sum", image.Buf.F64, []float64{-8, -140}, 0, 0)
}

func TestPartsOfVectors(t *testing.T) {
	be := ref.New()
	joined := be.Batch(2, tensor.Of(3))
	be.Join(joined, batch(be, []float64{1, 2}, 2, 1), batch(be, []float64{3, 4, 5, 6}, 2, 2))
	testkit.Close(t, "joined vectors", joined.Buf.F64, []float64{1, 3, 4, 2, 5, 6}, 0, 0)
	part := be.Batch(2, tensor.Of(2))
	be.Part(part, joined, 0)
	testkit.Close(t, "the first two features", part.Buf.F64, []float64{1, 3, 2, 5}, 0, 0)
	be.Part(part, joined, 1)
	testkit.Close(t, "the last two features", part.Buf.F64, []float64{3, 4, 5, 6}, 0, 0)
}

func TestActivations(t *testing.T) {
	inf := math.Inf(1)
	cases := map[backend.Activation]struct{ x, y []float64 }{
		backend.ReLU:     {[]float64{-1, 0, 2, -inf}, []float64{0, 0, 2, 0}},
		backend.Tanh:     {[]float64{0, 0.5, -inf}, []float64{0, 0.46211715726000976, -1}},
		backend.Softplus: {[]float64{0, 1, -800, 800}, []float64{math.Ln2, 1.3132616875182228, 0, 800}},
		backend.Sigmoid:  {[]float64{0, 1, -800, 800}, []float64{0.5, 0.7310585786300049, 0, 1}},
		backend.GELU:     {[]float64{0, 1, -1, 40}, []float64{0, 0.8413447460685429, -0.15865525393145707, 40}},
		backend.SiLU:     {[]float64{0, 1, -800, 40}, []float64{0, 0.7310585786300049, 0, 40}},
		backend.ELU:      {[]float64{-1, 0, 2, -800}, []float64{-0.6321205588285577, 0, 2, -1}},
	}
	be := ref.New()
	for a := range backend.Activations {
		activation := backend.Activation(a)
		t.Run(activation.String(), func(t *testing.T) {
			c, known := cases[activation]
			if !known {
				t.Fatal("no values")
			}
			x := plain(be, c.x, len(c.x))
			be.Activate(x, activation, x)
			testkit.Close(t, "values", x.Buf.F64, c.y, 1e-15, 1e-15)

			points := []float64{-30, -2.5, -1, -0.1, 0.3, 1.7, 4, 30}
			dy := plain(be, []float64{1, -1, 2, 1, 1, 3, 1, 1}, 8)
			in, out := plain(be, points, 8), be.Plain(tensor.Of(8))
			loss := func(v []float64) float64 { // <dy, sigma(v)>
				be.Upload(in, tensor.Buffer{F64: v})
				be.Activate(out, activation, in)
				sum := []float64{0}
				be.Dot(sum, dy, out)
				return sum[0]
			}
			want := testkit.Gradient(loss, points)
			be.Upload(in, tensor.Buffer{F64: points})
			be.ActivateGrad(dy, activation, dy, in)
			testkit.Close(t, "derivatives", dy.Buf.F64, want, 1e-8, 1e-8)

			v := plain(be, []float64{2, 1, 1, 1, -1, 1, 1, 1}, 8)
			be.Upload(dy, tensor.Buffer{F64: []float64{1, -1, 2, 1, 1, 3, 1, 1}})
			slopes := func(x []float64) float64 { // <dy v, sigma'(x)>
				be.Upload(in, tensor.Buffer{F64: x})
				be.ActivateGrad(out, activation, v, in)
				sum := []float64{0}
				be.Dot(sum, dy, out)
				return sum[0]
			}
			want = testkit.Gradient(slopes, points)
			be.Upload(in, tensor.Buffer{F64: points})
			be.Upload(out, tensor.Buffer{F64: []float64{0, 0, 0, 0, 0, 0, 0, 5}})
			be.ActivateGrad2(out, activation, dy, v, in)
			want[7] += 5
			testkit.Close(t, "second derivatives", out.Buf.F64, want, 1e-8, 1e-8)

			one, nan := plain(be, []float64{1}, 1), plain(be, []float64{math.NaN()}, 1)
			be.Activate(one, activation, nan)
			if !math.IsNaN(one.Buf.F64[0]) {
				t.Error("a NaN is hidden")
			}
		})
	}
	zero := plain(be, []float64{0}, 1)
	dx := be.Plain(tensor.Of(1))
	be.ActivateGrad(dx, backend.ReLU, plain(be, []float64{5}, 1), zero)
	testkit.Close(t, "derivative of relu at 0", dx.Buf.F64, []float64{0}, 0, 0)
}

func TestAvgPool(t *testing.T) {
	be := ref.New()
	image := []float64{ // [1, 2, 3, 5]: a row and a column are a rest
		1, 2, 3, 4, 9,
		5, 6, 7, 8, 9,
		9, 9, 9, 9, 9,

		10, 20, 30, 40, 9,
		50, 60, 70, 80, 9,
		9, 9, 9, 9, 9,
	}
	dst := be.Batch(1, tensor.Of(2, 1, 2))
	be.AvgPool(dst, 2, batch(be, image, 1, 2, 3, 5))
	testkit.Close(t, "means", download(be, dst), []float64{3.5, 5.5, 35, 55}, 0, 0)

	dx := be.Batch(1, tensor.Of(2, 3, 5))
	be.AvgPoolGrad(dx, 2, batch(be, []float64{4, 8, 12, 16}, 1, 2, 1, 2))
	testkit.Close(t, "cotangents", download(be, dx), []float64{
		1, 1, 2, 2, 0,
		1, 1, 2, 2, 0,
		0, 0, 0, 0, 0,

		3, 3, 4, 4, 0,
		3, 3, 4, 4, 0,
		0, 0, 0, 0, 0,
	}, 0, 0)

	x, dy := batch(be, testkit.Normal(1, 3*2*7*4), 3, 2, 7, 4), batch(be, testkit.Normal(2, 3*2*2*1), 3, 2, 2, 1)
	y, back := be.Batch(3, tensor.Of(2, 2, 1)), be.Batch(3, tensor.Of(2, 7, 4))
	be.AvgPool(y, 3, x)
	be.AvgPoolGrad(back, 3, dy)
	forward, backward := make([]float64, 3), make([]float64, 3)
	be.Dot(forward, dy, y)
	be.Dot(backward, back, x)
	testkit.Close(t, "adjoint identity", backward, forward, 1e-14, 0)
}

func TestGemm(t *testing.T) {
	be := ref.New()
	// a = [1 2 3; 4 5 6], b = [1 0; 2 1; 0 3]
	a, aT := plain(be, []float64{1, 2, 3, 4, 5, 6}, 2, 3), plain(be, []float64{1, 4, 2, 5, 3, 6}, 3, 2)
	b, bT := plain(be, []float64{1, 0, 2, 1, 0, 3}, 3, 2), plain(be, []float64{1, 2, 0, 0, 1, 3}, 2, 3)
	dst := be.Plain(tensor.Of(2, 2))
	for name, product := range map[string]func(){
		"a b":       func() { be.Gemm(dst, false, a, false, b) },
		"a^T b":     func() { be.Gemm(dst, true, aT, false, b) },
		"a b^T":     func() { be.Gemm(dst, false, a, true, bT) },
		"a^T b^T":   func() { be.Gemm(dst, true, aT, true, bT) },
		"a b again": func() { be.Gemm(dst, false, a, false, b) },
	} {
		product()
		testkit.Close(t, name, dst.Buf.F64, []float64{5, 11, 14, 23}, 0, 0)
		be.Combine(dst, nil)
	}
}

func TestEigenScale(t *testing.T) {
	be := ref.New()
	g, s := plain(be, []float64{2, -1}, 2), plain(be, []float64{4, 0}, 2)
	be.EigenScale(g, s, 0.75, 8, 0.5)
	testkit.Close(t, "s", s.Buf.F64, []float64{0.75*4 + 0.25*8*4, 0.25 * 8}, 0, 0)
	testkit.Close(t, "g", g.Buf.F64, []float64{2 / 11.5, -1 / 2.5}, 1e-16, 0)
}

// Two steps by hand, with beta1 = beta2 = 1/2, lr = 1/10, eps = 1.
func TestAdamStep(t *testing.T) {
	be := ref.New()
	p, m, v := plain(be, []float64{1}, 1), plain(be, []float64{0}, 1), plain(be, []float64{0}, 1)
	be.AdamStep(p, m, v, plain(be, []float64{2}, 1), 0.1, 0.5, 0.5, 1, 1)
	// m = 1, v = 2, m^ = 2, v^ = 4: p = 1 - 0.1 2/3
	testkit.Close(t, "after one step", []float64{p.Buf.F64[0], m.Buf.F64[0], v.Buf.F64[0]}, []float64{1 - 0.2/3, 1, 2}, 1e-15, 0)
	be.AdamStep(p, m, v, plain(be, []float64{-1}, 1), 0.1, 0.5, 0.5, 1, 2)
	// m = 0, v = 1.5, v^ = 2: no move
	testkit.Close(t, "after two steps", []float64{p.Buf.F64[0], m.Buf.F64[0], v.Buf.F64[0]}, []float64{1 - 0.2/3, 0, 1.5}, 1e-15, 0)
}
