package cpu

import (
	"slices"

	"golang.org/x/sys/cpu"

	"odepipe/pkg/backend"
)

// available lists the sets of kernels that this processor can run, the fastest first.
func available() []*kernels {
	sets := []*kernels{generic}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, newAVX2())
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ {
			sets = append(sets, newAVX512())
		}
	}
	slices.Reverse(sets)
	return sets
}

func newAVX2() *kernels {
	k := *generic
	k.name = "avx2"
	k.tileRows = 6
	k.tile = []func(*tileCall){nil, tileAVX2x1, tileAVX2x2, tileAVX2x3, tileAVX2x4, tileAVX2x5, tileAVX2x6}
	k.dotRows, k.dotColumns, k.dot = 4, 3, dotAVX2
	k.combine, k.combineEach = combineAVX2, combineEachAVX2
	k.scaledSquares, k.dotLanes = scaledSquaresAVX2, dotLanesAVX2
	k.multiply, k.multiplyImage, k.addImage = multiplyAVX2, multiplyImageAVX2, addImageAVX2
	k.transpose = transposeAVX2
	k.lines = [6]lineKernels{
		{filterData2x3AVX2, filterWeight2x3AVX2, filterOutput2x3AVX2, filterImage2x3AVX2, filterCotangent2x3AVX2, filterGradient2x3AVX2},
		{filterData3x3AVX2, filterWeight3x3AVX2, filterOutput3x3AVX2, filterImage3x3AVX2, filterCotangent3x3AVX2, filterGradient3x3AVX2},
		{filterData4x3AVX2, filterWeight4x3AVX2, filterOutput4x3AVX2, filterImage4x3AVX2, filterCotangent4x3AVX2, filterGradient4x3AVX2},
		{filterData2x2AVX2, filterWeight2x2AVX2, filterOutput2x2AVX2, filterImage2x2AVX2, filterCotangent2x2AVX2, filterGradient2x2AVX2},
		{filterData3x2AVX2, filterWeight3x2AVX2, filterOutput3x2AVX2, filterImage3x2AVX2, filterCotangent3x2AVX2, filterGradient3x2AVX2},
		{filterData4x2AVX2, filterWeight4x2AVX2, filterOutput4x2AVX2, filterImage4x2AVX2, filterCotangent4x2AVX2, filterGradient4x2AVX2},
	}
	for a, f := range map[backend.Activation][3]func(*streamCall){
		backend.ReLU:     {reluAVX2, reluGradAVX2, eluGrad2AVX2},
		backend.Tanh:     {tanhAVX2, tanhGradAVX2, tanhGrad2AVX2},
		backend.Softplus: {softplusAVX2, softplusGradAVX2, softplusGrad2AVX2},
		backend.Sigmoid:  {sigmoidAVX2, sigmoidGradAVX2, sigmoidGrad2AVX2},
		backend.SiLU:     {siluAVX2, siluGradAVX2, siluGrad2AVX2},
		backend.ELU:      {eluAVX2, eluGradAVX2, eluGrad2AVX2},
	} {
		k.activate[a], k.activateGrad[a], k.activateGrad2[a] = f[0], f[1], f[2]
	}
	return &k
}

// newAVX512 has wider products; memory is what limits the element-wise operations, which stay those of AVX2.
func newAVX512() *kernels {
	k := *newAVX2()
	k.name = "avx512"
	k.tileRows = 16
	k.tile = []func(*tileCall){nil,
		tileAVX512x1, tileAVX512x2, tileAVX512x3, tileAVX512x4, tileAVX512x5, tileAVX512x6, tileAVX512x7, tileAVX512x8,
		tileAVX512x9, tileAVX512x10, tileAVX512x11, tileAVX512x12, tileAVX512x13, tileAVX512x14, tileAVX512x15, tileAVX512x16}
	k.dotRows, k.dotColumns, k.dot = 4, 6, dotAVX512
	k.lines = [6]lineKernels{
		{filterData2x3AVX512, filterWeight2x3AVX512, filterOutput2x3AVX512, filterImage2x3AVX512, filterCotangent2x3AVX512, filterGradient2x3AVX512},
		{filterData3x3AVX512, filterWeight3x3AVX512, filterOutput3x3AVX512, filterImage3x3AVX512, filterCotangent3x3AVX512, filterGradient3x3AVX512},
		{filterData4x3AVX512, filterWeight4x3AVX512, filterOutput4x3AVX512, filterImage4x3AVX512, filterCotangent4x3AVX512, filterGradient4x3AVX512},
		{filterData2x2AVX512, filterWeight2x2AVX512, filterOutput2x2AVX512, filterImage2x2AVX512, filterCotangent2x2AVX512, filterGradient2x2AVX512},
		{filterData3x2AVX512, filterWeight3x2AVX512, filterOutput3x2AVX512, filterImage3x2AVX512, filterCotangent3x2AVX512, filterGradient3x2AVX512},
		{filterData4x2AVX512, filterWeight4x2AVX512, filterOutput4x2AVX512, filterImage4x2AVX512, filterCotangent4x2AVX512, filterGradient4x2AVX512},
	}
	return &k
}
