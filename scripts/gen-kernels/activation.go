package main

// expParts emits, for y in Y0, the scale 2^n to Y1 and the rest e^r - 1 to Y2; Y0 becomes r, Y3 is used.
func expParts(f *file) {
	f.op("VMAXPS Y0, Y13, Y0") // the order keeps a NaN
	f.op("VMULPS %s, Y0, Y3", vector("log2e"))
	f.op("VROUNDPS $8, Y3, Y3")
	f.op("VFNMADD231PS %s, Y3, Y0", vector("ln2high"))
	f.op("VFNMADD231PS %s, Y3, Y0", vector("ln2low"))
	f.op("VCVTPS2DQ Y3, Y3")
	f.op("VPADDD %s, Y3, Y3", vector("bias"))
	f.op("VPSLLD $23, Y3, Y1")
	f.op("VMOVUPS %s, Y2", vector("exp7"))
	for _, c := range []string{"exp6", "exp5", "exp4", "exp3", "exp2"} {
		f.op("VFMADD213PS %s, Y0, Y2", vector(c))
	}
	f.op("VMULPS Y0, Y0, Y3")
	f.op("VFMADD213PS Y0, Y3, Y2") // p r^2 + r
}

// expNegative emits Y2 = e^Y0.
func expNegative(f *file) {
	expParts(f)
	f.op("VFMADD213PS Y1, Y1, Y2")
}

// expm1Negative emits Y2 = e^Y0 - 1.
func expm1Negative(f *file) {
	expParts(f)
	f.op("VSUBPS Y15, Y1, Y3")
	f.op("VFMADD213PS Y3, Y1, Y2")
}

// expBoth emits Y2 = e^Y0 and Y4 = e^Y0 - 1.
func expBoth(f *file) {
	expParts(f)
	f.op("VSUBPS Y15, Y1, Y4")
	f.op("VFMADD231PS Y1, Y2, Y4")
	f.op("VFMADD213PS Y1, Y1, Y2")
}

// minusAbs emits Y0 = -|x|.
func minusAbs(f *file) { f.op("VORPS %s, Y8, Y0", vector("sign")) }

// minusTwice emits Y0 = -2|x|.
func minusTwice(f *file) {
	minusAbs(f)
	f.op("VADDPS Y0, Y0, Y0")
}

func relu(f *file) { f.op("VMAXPS Y8, Y12, Y2") }

func reluSlope(f *file) {
	f.op("VCMPPS $1, Y8, Y12, Y2") // 0 < x
	f.op("VANDPS Y15, Y2, Y2")
}

func tanh(f *file) {
	minusTwice(f)
	expm1Negative(f)
	f.op("VADDPS %s, Y2, Y3", vector("two"))
	f.op("VANDPS Y14, Y2, Y2")
	f.op("VDIVPS Y3, Y2, Y2")
	f.op("VANDNPS Y8, Y14, Y3") // the sign of x
	f.op("VORPS Y3, Y2, Y2")
}

func tanhSlope(f *file) {
	minusTwice(f)
	expNegative(f)
	f.op("VADDPS Y15, Y2, Y3")
	f.op("VMULPS Y3, Y3, Y3")
	f.op("VMULPS %s, Y2, Y2", vector("four"))
	f.op("VDIVPS Y3, Y2, Y2")
}

// oddCurvature emits Y2 = m e / (1 + e)^3, with the other sign where x < 0: e in Y2, m in Y4.
func oddCurvature(f *file) {
	f.op("VADDPS Y15, Y2, Y3")
	f.op("VMULPS Y3, Y3, Y5")
	f.op("VMULPS Y5, Y3, Y3")
	f.op("VMULPS Y4, Y2, Y2")
	f.op("VDIVPS Y3, Y2, Y2")
	f.op("VANDNPS Y8, Y14, Y3") // the sign of x
	f.op("VXORPS Y3, Y2, Y2")
}

func tanhCurvature(f *file) {
	minusTwice(f)
	expBoth(f)
	oddCurvature(f)
	f.op("VMULPS %s, Y2, Y2", vector("eight"))
}

func sigmoidCurvature(f *file) {
	minusAbs(f)
	expBoth(f)
	oddCurvature(f)
}

// sigmoids emits Y2 = sigmoid(x) and Y3 = 1 - sigmoid(x).
func sigmoids(f *file) {
	minusAbs(f)
	expNegative(f)
	f.op("VADDPS Y15, Y2, Y3")
	f.op("VDIVPS Y3, Y15, Y4")
	f.op("VDIVPS Y3, Y2, Y5")
	f.op("VBLENDVPS Y8, Y5, Y4, Y2")
	f.op("VBLENDVPS Y8, Y4, Y5, Y3")
}

func sigmoid(f *file) {
	minusAbs(f)
	expNegative(f)
	f.op("VADDPS Y15, Y2, Y3")
	f.op("VBLENDVPS Y8, Y2, Y15, Y2")
	f.op("VDIVPS Y3, Y2, Y2")
}

func sigmoidSlope(f *file) {
	sigmoids(f)
	f.op("VMULPS Y3, Y2, Y2")
}

func softplus(f *file) {
	minusAbs(f)
	expNegative(f)
	f.op("VADDPS %s, Y2, Y3", vector("two"))
	f.op("VDIVPS Y3, Y2, Y2") // z = e / (2 + e)
	f.op("VMULPS Y2, Y2, Y3")
	f.op("VMOVUPS %s, Y4", vector("log13"))
	for _, c := range []string{"log11", "log9", "log7", "log5", "log3", "one"} {
		f.op("VFMADD213PS %s, Y3, Y4", vector(c))
	}
	f.op("VADDPS Y2, Y2, Y2")
	f.op("VMAXPS Y8, Y12, Y3")
	f.op("VFMADD213PS Y3, Y4, Y2") // 2 z p + max(x, 0)
}

func silu(f *file) {
	sigmoid(f)
	f.op("VMULPS Y8, Y2, Y2")
}

func siluSlope(f *file) {
	sigmoids(f)
	f.op("VMULPS Y8, Y3, Y3")
	f.op("VFMADD213PS Y2, Y3, Y2") // x s (1 - s) + s
}

func siluCurvature(f *file) {
	minusAbs(f)
	expBoth(f)
	f.op("VADDPS Y15, Y2, Y3")
	f.op("VDIVPS Y3, Y4, Y4")
	f.op("VANDPS Y14, Y8, Y5")
	f.op("VFMADD213PS %s, Y5, Y4", vector("two")) // |x| m / (1 + e) + 2
	f.op("VMULPS Y3, Y3, Y3")
	f.op("VDIVPS Y3, Y2, Y2")
	f.op("VMULPS Y4, Y2, Y2")
}

func elu(f *file) {
	f.op("VMINPS Y8, Y12, Y0")
	expm1Negative(f)
	f.op("VMAXPS Y8, Y12, Y3")
	f.op("VADDPS Y3, Y2, Y2")
}

func eluSlope(f *file) {
	f.op("VMINPS Y8, Y12, Y0")
	expNegative(f)
}

func eluCurvature(f *file) {
	eluSlope(f)
	f.op("VCMPPS $1, Y8, Y12, Y3") // 0 < x
	f.op("VANDNPS Y2, Y3, Y2")
}
