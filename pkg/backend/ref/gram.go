package ref

import (
	"odepipe/pkg/backend"
	"odepipe/pkg/tensor"
)

// PatchGram writes dst = sum_n sum_{i,j} z z^T, z the patch of output pixel (i, j) ordered [channel, u, v], with time
// as channel 0 and a final 1 if Bias: dst [K, K], K = g.GramSize(), x [N, In, H, W], t of all samples or of each.
func (*Backend) PatchGram(dst tensor.T, g backend.Conv, x tensor.T, t []float64) {
	in, size := numbers(x), g.GramSize()
	mustMatch(x.Shape.Size(), g.H*g.W*g.In)
	patches := make([]float64, g.OH()*g.OW()*size)
	gram := zeroGram(dst, size)
	for n := range x.N {
		writePatches(patches, g, in[n*g.H*g.W*g.In:], ofSample(t, n, x.N))
		for z := patches; len(z) > 0; z = z[size:] {
			addOuter(gram, z[:size])
		}
	}
}

// writePatches writes the patches [OH, OW, K] of one image x [H, W, In].
func writePatches(patches []float64, g backend.Conv, x []float64, t float64) {
	size, area := g.GramSize(), g.Kernel*g.Kernel
	clear(patches)
	eachTap(g, func(k tap) {
		z := patches[k.out*size:][:size]
		if g.Time {
			z[k.window] = t
		}
		for c := range g.In {
			z[(firstImage(g)+c)*area+k.window] = x[k.in*g.In+c]
		}
	})
	if g.Bias {
		for last := size - 1; last < len(patches); last += size {
			patches[last] = 1
		}
	}
}

// CotangentGram writes dst = sum_n sum_{i,j} dy dy^T: dst [Out, Out], dy [N, Out, OH, OW].
func (*Backend) CotangentGram(dst tensor.T, g backend.Conv, dy tensor.T) {
	mustMatch(dy.Shape.Size(), g.OH()*g.OW()*g.Out)
	gram := zeroGram(dst, g.Out)
	for z := numbers(dy); len(z) > 0; z = z[g.Out:] {
		addOuter(gram, z[:g.Out])
	}
}

func zeroGram(dst tensor.T, size int) []float64 {
	mustMatch(dst.Size(), size*size)
	gram := numbers(dst)
	clear(gram)
	return gram
}

// addOuter is gram += z z^T.
func addOuter(gram, z []float64) {
	for i, a := range z {
		for j, b := range z {
			gram[i*len(z)+j] += a * b
		}
	}
}
