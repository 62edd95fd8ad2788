package backend

// Activation is an element-wise function of a layer.
type Activation int

// The activations, with the formulas of PyTorch's defaults.
const (
	ReLU     Activation = iota // max(x, 0); derivative 0 at 0, second derivative 0 everywhere
	Tanh                       // tanh x
	Softplus                   // log(1 + e^x)
	Sigmoid                    // 1 / (1 + e^-x)
	GELU                       // x Phi(x), Phi the normal distribution function (erf, not its tanh approximation)
	SiLU                       // x sigmoid(x)
	ELU                        // x if x > 0 else e^x - 1; second derivative e^x below and at 0
)

// Activations names all of them as model files do, in the order of the constants.
var Activations = [...]string{"relu", "tanh", "softplus", "sigmoid", "gelu", "silu", "elu"}

// String is the name in model files.
func (a Activation) String() string { return Activations[a] }
