package nn

// Spec is a layer as a model file describes it; keys that a type does not list in its Kind are not set.
type Spec struct {
	Type    string
	Name    string
	In, Out int
	Kernel  int
	Stride  int // 0: 1
	Padding int
	NoBias  bool
	Time    bool    // time = "concat"
	Gain    float64 // factor of the initial values; 0 in the last layer of a field makes the field 0 at first
}

// Key is one key of a layer in a model file.
type Key struct {
	Name, Default, Doc string // Default "" means required
}
