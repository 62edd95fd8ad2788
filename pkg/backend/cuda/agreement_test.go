package cuda_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"odepipe/pkg/backend"
	"odepipe/pkg/backend/cuda"
	"odepipe/pkg/backend/ref"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// side is one backend at work on random numbers, which are the same for all sides that begin with one seed.
type side struct {
	backend.Backend
	rng     *rand.Rand
	results []result
}

// result is what an operation wrote, each number being a sum of about so many products of normal numbers.
type result struct {
	what    string
	terms   int
	numbers []float64
}

// agree runs the same operations on a device and on the reference, and compares the results. It must be called by the goroutine
// that made the device, so cases have names instead of tests of their own.
func agree(t *testing.T, name string, device backend.Backend, do func(s *side)) {
	t.Helper()
	sides := [2]*side{}
	for i, be := range []backend.Backend{device, ref.New()} {
		sides[i] = &side{Backend: be, rng: rand.New(rand.NewPCG(1, 2))}
		mark := be.Mark()
		do(sides[i])
		be.Release(mark)
	}
	if err := device.Err(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i, want := range sides[1].results {
		got := sides[0].results[i]
		testkit.Close(t, name+": "+want.what, got.numbers, want.numbers, 2e-6+1.5e-7*float64(want.terms), 2e-5)
	}
}

// values are normal numbers that single precision holds.
func (s *side) values(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(float32(s.rng.NormFloat64()))
	}
	return v
}

// random makes a tensor of normal numbers, a batch if n > 0.
func (s *side) random(n int, shape tensor.Shape) tensor.T {
	x := s.empty(n, shape)
	s.Upload(x, tensor.Buffer{F64: s.values(x.Size())})
	return x
}

// empty makes a tensor of NaN.
func (s *side) empty(n int, shape tensor.Shape) tensor.T {
	x := s.Plain(shape)
	if n > 0 {
		x = s.Batch(n, shape)
	}
	none := tensor.Float64.Make(x.Size())
	for i := range none.F64 {
		none.F64[i] = math.NaN()
	}
	s.Upload(x, none)
	return x
}

func (s *side) result(what string, x tensor.T, terms int) {
	numbers := make([]float64, x.Size())
	s.Download(tensor.Buffer{F64: numbers}, x)
	s.results = append(s.results, result{what, terms, numbers})
}

func (s *side) sums(what string, sums []float64, terms int) {
	s.results = append(s.results, result{what, terms, sums})
}

// geometries of convolutions and linear layers: those of models, tiles with a rest, and awkward ones.
var geometries = []backend.Conv{
	backend.Linear(1, 1, false, false),
	backend.Linear(7, 13, true, true),
	backend.Linear(0, 9, true, true),
	backend.Linear(0, 5, true, false),
	backend.Linear(16, 6, false, true),
	backend.Linear(300, 65, true, true),
	backend.Linear(61, 130, false, false),
	{In: 1, Out: 5, H: 5, W: 6, Kernel: 3, Stride: 1},
	{In: 30, Out: 26, H: 6, W: 6, Kernel: 3, Stride: 1, Padding: 1, Time: true, Bias: true},
	{In: 3, Out: 67, H: 9, W: 7, Kernel: 3, Stride: 1, Padding: 1, Time: true},
	{In: 5, Out: 4, H: 13, W: 13, Kernel: 4, Stride: 2, Padding: 1, Bias: true},
	{In: 2, Out: 3, H: 7, W: 8, Kernel: 2, Stride: 3, Padding: 0, Time: true, Bias: true},
	{In: 3, Out: 2, H: 5, W: 4, Kernel: 5, Stride: 1, Padding: 4, Time: true, Bias: true},
	{In: 4, Out: 1, H: 6, W: 5, Kernel: 1, Stride: 1, Bias: true},
	{In: 4, Out: 3, H: 3, W: 5, Kernel: 1, Stride: 1, Time: true, Bias: true},
	{In: 2, Out: 3, H: 3, W: 3, Kernel: 1, Stride: 2, Padding: 1, Time: true, Bias: true},
	{In: 2, Out: 2, H: 1, W: 1, Kernel: 3, Stride: 1, Padding: 1, Bias: true},
	{In: 2, Out: 3, H: 1, W: 1, Kernel: 1, Stride: 3, Padding: 1, Time: true, Bias: true}, // no tap is ever inside
	{In: 3, Out: 5, H: 9, W: 11, Kernel: 3, Stride: 2, Padding: 2, Time: true, Bias: true},
}

func shapes(g backend.Conv) (x, y, w tensor.Shape) {
	if g.H*g.W == 1 && g.Kernel == 1 {
		return tensor.Of(g.In), tensor.Of(g.Out), tensor.Of(g.Out, g.Channels())
	}
	return tensor.Of(g.In, g.H, g.W), tensor.Of(g.Out, g.OH(), g.OW()), tensor.Of(g.Out, g.Channels(), g.Kernel, g.Kernel)
}

func TestAffineMapsAgreeWithTheReference(t *testing.T) {
	be := cuda.NewDevice(t)
	for _, g := range geometries {
		for _, n := range []int{1, 16, 19} {
			name := fmt.Sprintf("%+v, %d samples", g, n)
			agree(t, name, be, func(s *side) { affine(s, g, n) })
			agree(t, name, be, func(s *side) { grams(s, g, n) })
		}
	}
}

func affine(s *side, g backend.Conv, n int) {
	const t = 0.7
	shapeX, shapeY, shapeW := shapes(g)
	pixels := g.OH() * g.OW()
	x, dy, w, bias := s.random(n, shapeX), s.random(n, shapeY), s.random(0, shapeW), s.random(0, tensor.Of(g.Out))
	if !g.Bias {
		bias = tensor.T{}
	}
	packed := s.Pack(g, w)
	image := s.empty(0, tensor.Of(g.OH(), g.OW(), g.Out))
	s.BiasImage(image, g, w, bias, t)
	s.result("bias image", image, g.Kernel*g.Kernel)

	y := s.empty(n, shapeY)
	s.ConvForward(y, g, packed, image, x)
	s.result("forward", y, g.FanIn())
	y = s.empty(n, shapeY)
	s.ConvForward(y, g, packed, tensor.T{}, x)
	s.result("forward without bias image", y, g.FanIn())
	dx := s.empty(n, shapeX)
	s.ConvBackward(dx, g, packed, dy)
	s.result("backward", dx, g.Out*g.Kernel*g.Kernel)

	dw, sum := s.random(0, shapeW), s.empty(0, shapeY)
	s.ConvGrad(dw, g, dy, x)
	s.result("weight gradient, the time channel as it was", dw, n*pixels)
	s.SumBatch(sum, dy, nil)
	s.BiasImageGrad(dw, bias, g, sum, t)
	s.result("weight gradient with its time channel", dw, n*pixels)
	if g.Bias {
		s.result("bias gradient", bias, n*pixels)
	}
}

func grams(s *side, g backend.Conv, n int) {
	shapeX, shapeY, shapeW := shapes(g)
	pixels := g.OH() * g.OW()
	x, dy := s.random(n, shapeX), s.random(n, shapeY)
	times := s.values(n)
	if n == 16 {
		times = []float64{0.7}
	}
	each, bias := s.empty(n, tensor.Of(shapeW.Size())), s.empty(n, tensor.Of(g.Out))
	if !g.Bias {
		bias = tensor.T{}
	}
	s.ConvGradEach(each, bias, g, dy, x, times)
	s.result("weight gradients by sample", each, pixels)
	if g.Bias {
		s.result("bias gradients by sample", bias, pixels)
	}
	gram := s.empty(0, tensor.Of(g.GramSize(), g.GramSize()))
	s.PatchGram(gram, g, x, times)
	s.result("patch Gram matrix", gram, n*pixels)
	gram = s.empty(0, tensor.Of(g.Out, g.Out))
	s.CotangentGram(gram, g, dy)
	s.result("cotangent Gram matrix", gram, n*pixels)
}

func TestMatrixProductsAgreeWithTheReference(t *testing.T) {
	be := cuda.NewDevice(t)
	for _, size := range [][3]int{{1, 1, 1}, {2, 3, 5}, {17, 16, 16}, {64, 64, 64}, {7, 300, 33}, {64, 59, 48}, {31, 1, 100}, {50, 530, 15}, {5, 0, 7}, {0, 3, 4}} {
		products(t, be, size)
	}
}

// products are those of two matrices, plain and transposed.
func products(t *testing.T, be backend.Backend, size [3]int) {
	for flags := range 4 {
		transA, transB := flags&1 == 1, flags&2 == 2
		agree(t, fmt.Sprintf("%v, transposed %v and %v", size, transA, transB), be, func(s *side) {
			a, b := tensor.Of(size[0], size[1]), tensor.Of(size[1], size[2])
			if transA {
				a = tensor.Of(size[1], size[0])
			}
			if transB {
				b = tensor.Of(size[2], size[1])
			}
			dst := s.empty(0, tensor.Of(size[0], size[2]))
			s.Gemm(dst, transA, s.random(0, a), transB, s.random(0, b))
			s.result("product", dst, size[1])
		})
	}
}

func TestElementwiseOperationsAgreeWithTheReference(t *testing.T) {
	be := cuda.NewDevice(t)
	kinds := []struct {
		name  string
		n     int
		shape tensor.Shape
	}{
		{"one number", 0, tensor.Of()}, {"a plain vector", 0, tensor.Of(37)}, {"an empty vector", 0, tensor.Of(0)},
		{"a long plain vector", 0, tensor.Of(4003)}, {"one sample", 1, tensor.Of(3)}, {"empty samples", 3, tensor.Of(0)},
		{"a batch of images", 18, tensor.Of(5, 6, 7)}, {"samples of several slices", 2, tensor.Of(12, 17, 16)},
		{"many small samples", 530, tensor.Of(2)},
	}
	for _, k := range kinds {
		for _, terms := range []int{0, 1, 3, 9, 16, 17, 35} {
			agree(t, k.name, be, func(s *side) { combinations(s, k.n, k.shape, terms) })
		}
		agree(t, k.name, be, func(s *side) { elementwise(s, k.n, k.shape) })
		if k.n > 0 {
			agree(t, k.name, be, func(s *side) { bySample(s, k.n, k.shape) })
		}
	}
}

// combinations have a term with coefficient 0 that nobody may read, and dst as a term.
func combinations(s *side, n int, shape tensor.Shape, terms int) {
	dst, coef, x := s.random(n, shape), s.values(terms), make([]tensor.T, terms)
	for i := range x {
		x[i] = s.random(n, shape)
		switch i {
		case 1:
			x[i], coef[i] = s.empty(n, shape), 0
		case 2, 20:
			x[i] = dst
		}
	}
	sums := make([]float64, max(n, 1))
	sums[0] = 3
	s.ScaledSquares(sums, coef, x, s.random(n, shape), s.random(n, shape), 1, 1e-2)
	s.sums(fmt.Sprintf("scaled squares of %d terms", terms), sums, terms*shape.Size())
	s.Combine(dst, coef, x...)
	s.result(fmt.Sprintf("combination of %d terms", terms), dst, terms)
	if n == 0 {
		return
	}
	each := make([][]float64, terms)
	for i := range each {
		if each[i] = s.values(n); i == 1 {
			each[i] = nil
		} else if i == 0 {
			each[i][n-1] = 0
		}
	}
	s.CombineEach(dst, each, x...)
	s.result(fmt.Sprintf("combination of %d terms by sample", terms), dst, 4*terms)
}

func elementwise(s *side, n int, shape tensor.Shape) {
	x, y, v, dst := s.random(n, shape), s.random(n, shape), s.random(n, shape), s.random(n, shape)
	sums := make([]float64, max(n, 1))
	s.Dot(sums, x, y)
	s.sums("dot", sums, shape.Size())
	s.Multiply(dst, x, y)
	s.result("product", dst, 1)
	s.Multiply(dst, v, dst)
	s.result("product in place", dst, 1)
	for i := range backend.Activations {
		a := backend.Activation(i)
		s.Activate(dst, a, x)
		s.result(a.String(), dst, 1)
		s.ActivateGrad(dst, a, y, x)
		s.result("derivative of "+a.String(), dst, 1)
		s.ActivateGrad2(dst, a, y, v, x)
		s.result("second derivative of "+a.String(), dst, 4)
	}
}

// bySample are the operations between a batch and an image.
func bySample(s *side, n int, shape tensor.Shape) {
	x, image := s.random(n, shape), s.random(0, shape)
	sum := s.empty(0, shape)
	s.SumBatch(sum, x, nil)
	s.result("sum over the batch", sum, n)
	s.SumBatch(sum, x, s.values(n))
	s.result("weighted sum over the batch", sum, n)
	sums := make([]float64, n)
	s.DotImage(sums, x, image)
	s.sums("products with an image", sums, shape.Size())
	s.AddImages(x, []float64{0.3}, image)
	s.AddImages(x, s.values(n), image)
	s.result("images added", x, 3)
	s.Multiply(x, x, image)
	s.result("product with an image", x, 3)
	if n > backend.Group {
		part := s.View(x, backend.Group, n-backend.Group, shape)
		s.Activate(part, backend.Tanh, part)
		s.result("a part", part, 3)
		s.result("the whole", x, 3)
	}
}

func TestActivationsFarOut(t *testing.T) {
	be := cuda.NewDevice(t)
	far := []float64{-1e30, -200, -89, -30, -9, -1e-20, 0, 1e-20, 9, 30, 89, 200, 1e30}
	agree(t, "far out", be, func(s *side) {
		x, one, dst := s.Plain(tensor.Of(len(far))), s.Plain(tensor.Of(len(far))), s.empty(0, tensor.Of(len(far)))
		s.Upload(x, tensor.Buffer{F64: far})
		ones := make([]float64, len(far))
		for i := range ones {
			ones[i] = 1
		}
		s.Upload(one, tensor.Buffer{F64: ones})
		for i := range backend.Activations {
			a := backend.Activation(i)
			s.Activate(dst, a, x)
			s.result(a.String(), dst, 1)
			s.ActivateGrad(dst, a, one, x)
			s.result("derivative of "+a.String(), dst, 1)
		}
	})
}

func TestImagesAndVectorsAgreeWithTheReference(t *testing.T) {
	be := cuda.NewDevice(t)
	for _, k := range []int{1, 2, 3} {
		agree(t, fmt.Sprintf("windows of %d", k), be, func(s *side) {
			large, small := tensor.Of(5, 7, 8), tensor.Of(5, 7/k, 8/k)
			x, y := s.random(19, large), s.empty(19, small)
			s.AvgPool(y, k, x)
			s.result("average pool", y, k*k)
			s.AvgPoolGrad(x, k, y)
			s.result("gradient of the average pool", x, 1)
		})
	}
	agree(t, "images", be, func(s *side) {
		x, flat := s.random(19, tensor.Of(5, 7, 8)), s.empty(19, tensor.Of(5*7*8))
		s.Flatten(flat, x)
		s.result("flatten", flat, 0)
		s.Unflatten(x, s.random(19, tensor.Of(5*7*8)))
		s.result("unflatten", x, 0)
	})
	for _, n := range []int{1, 16, 35} {
		for _, size := range [][2]int{{1, 1}, {7, 32}, {0, 3}, {5, 0}} {
			agree(t, fmt.Sprintf("%d samples of %v", n, size), be, func(s *side) {
				x, y, joined := s.random(n, tensor.Of(size[0])), s.random(n, tensor.Of(size[1])), s.empty(n, tensor.Of(size[0]+size[1]))
				s.Join(joined, x, y)
				s.result("joined vectors", joined, 0)
				s.Part(y, s.random(n, joined.Shape), size[0])
				s.result("part of vectors", y, 0)
			})
		}
	}
}

func TestUpdatesAgreeWithTheReference(t *testing.T) {
	be := cuda.NewDevice(t)
	for _, size := range []int{1, 35, 20000} {
		agree(t, fmt.Sprintf("%d parameters", size), be, func(s *side) {
			shape := tensor.Of(size)
			p, m, v, g, scale := s.random(0, shape), s.random(0, shape), s.random(0, shape), s.random(0, shape), s.random(0, shape)
			s.Multiply(v, v, v)
			s.Multiply(scale, scale, scale)
			s.AdamStep(p, m, v, g, 0.1, 0.9, 0.999, 1e-8, 3)
			s.result("Adam's parameters", p, 1)
			s.result("Adam's first moment", m, 1)
			s.result("Adam's second moment", v, 1)
			s.EigenScale(g, scale, 0.95, 128, 1e-3)
			s.result("rescaled gradient", g, 1)
			s.result("eigenvalues", scale, 1)
		})
	}
}
