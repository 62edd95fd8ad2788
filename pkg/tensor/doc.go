// Package tensor names runs of numbers and their shapes; it computes nothing.
//
// There are two kinds of tensor, told apart by T.N:
//
//	plain   N == 0   a parameter, matrix, vector or scalar: row-major, last index fastest
//	batch   N > 0    N samples of one shape, in the layout of the backend that made it
//
// A batch is cut into blocks of W samples (W is the backend's choice, 1 for ref), and inside a block the sample
// index runs fastest:
//
//	element (n, feature d) lies at ((n / W) * D + d) * W + n % W,   D = Shape.Size()
//
// so every feature of a block is a vector of W numbers. Features of a vector shape [D] are in order; those of an
// image shape [C, H, W] are in the order (h, w, c), channels fastest: Shape always *says* [C, H, W], as the files do,
// and Backend.Upload and Backend.Download translate. The last block is padded to W samples; what the padding
// holds is unspecified, and nothing that a backend computes for a valid sample may depend on it.
package tensor
