// Package nn is what vector fields are made of: layers, and chains of them.
//
//	Spec --Build--> Layer --Bind(weights of one step)--> Map: Forward, VJP, JVPs, PairVJPs
//
// A Layer knows its geometry and its parameters' names and shapes; a Map is the layer with the weights of one step, in
// the form its backend reads fastest. A Bound runs a Chain's maps in order and keeps their inputs for the derivatives:
//
//	VJP       cotangents of <dy, y>: of x, of the parameters, summed or of each sample, and of t
//	JVP       ydot, the derivative along a Direction; JVPs along several
//	PairVJP   cotangents of <dy, y> + <dydot, ydot>, and with them everything of second order, at the cost of two VJPs or so;
//	          PairVJPs of y with several tangents
//
// VJP and PairVJPs hand the pair (input z, cotangent g of the output) of every affine layer to a Tap: that is all that curvature
// needs to see. Time enters as an input of layers with time = "concat"; it may be each sample's own.
//
// Absent on purpose: automatic differentiation (each layer states its own derivative), optimisation, time integration.
package nn
