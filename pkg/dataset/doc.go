// Package dataset holds data sets in memory and cuts them into mini-batches.
//
//	Load, LoadFiles -> Set: columns x, y, length, t0, t1 of N rows      files or a seed
//	Plan            -> mini-batch k: which rows, in which order, of which epoch
//	Column.Gather*  -> the values of those rows, row-major
//	Augment         -> pictures among them changed at random
//
// Mini-batch k is a pure function of (data, split, batch size, seed, k): nothing is drawn in sequence, so a run can
// start at any step and be cut into shards. Which rows are a split is one of two rules (split.go). A data set is one file
// and one line of table.go. Columns are plain arrays; images stay bytes until their rows are asked for. Downloading is
// absent on purpose (scripts/get-data.sh fetches).
package dataset
