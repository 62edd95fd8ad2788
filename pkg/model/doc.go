// Package model turns a model file into a network.
//
//	TOML text --Parse--> Spec --NewNetwork--> Network: segments in order, parameters by name
//
// A network is a row of segments: chains of plain layers, and ODE blocks x1 = x0 + int_{t0}^{t1} F(t, x) dt whose field
// F is a chain too. The package holds no values: parameters live in checkpoints (package wire), arithmetic in backends.
//
// Absent on purpose: optimisation and its settings, which belong to checkpoints.
package model
