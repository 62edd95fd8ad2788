// Package ref computes every operation of backend.Backend in float64 by naive loops, straight from the formulas in
// package backend: it is their readable specification, the oracle of all tests, and what dtype = "float64" runs on.
//
// The block width is 1, so a batch lies in memory as
//
//	[n][d] for vectors      [n][h][w][c] for images, whose shape says [C, H, W]
//
// and has no padding. Fresh memory holds NaN, so that a caller who reads what nobody wrote notices. Threads, tiles and
// packed weights are absent on purpose: where speed and clarity disagree, clarity wins here.
package ref
