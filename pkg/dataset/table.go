package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// The splits that a data set can have.
const (
	Train = "train"
	Val   = "val"
	Test  = "test"
)

// Splits lists them.
var Splits = []string{Train, Val, Test}

// Entry is a data set that is known by name.
type Entry struct {
	Name    string
	Summary string   // shapes and rows, for help
	Splits  []string // those it has
	Files   bool     // it reads files; else it is made from the seed
	Load    func(Request) (*Set, error)
}

// Request says which split to load, and from where.
type Request struct {
	Folder string // the data folder, for sets with files
	Split  string
	Seed   uint64 // for generated sets
}

// Table is every data set known by name, in the order in which help shows them.
var Table = []Entry{
	{"mnist", "digits, x [1, 28, 28], 10 classes: train 60000, test 10000 rows", []string{Train, Test}, true, loadMNIST},
	{"cifar10", "small pictures, x [3, 32, 32], 10 classes: train 50000, test 10000 rows", []string{Train, Test}, true, loadCIFAR10},
	{"spirals", "two interleaved spirals, x [2], 2 classes: " + generatedRows, Splits, false, generated(spiral)},
	{"annuli", "two concentric annuli, x [2], 2 classes: " + generatedRows, Splits, false, generated(annulus)},
	{"circle", "density of two noisy circles, x [2], no y: " + generatedRows, Splits, false, generated(circle)},
}

// Find returns the entry of a name; its error lists the names there are.
func Find(name string) (Entry, error) {
	names := make([]string, len(Table))
	for i, entry := range Table {
		if entry.Name == name {
			return entry, nil
		}
		names[i] = entry.Name
	}
	return Entry{}, fmt.Errorf("%w: %q; there are %s", ErrUnknown, name, strings.Join(names, ", "))
}

// Load returns a split of a data set known by name.
func Load(name string, request Request) (*Set, error) {
	entry, err := Find(name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(entry.Splits, request.Split) {
		return nil, fmt.Errorf("%w: %s has no split %q, it has %s", ErrSplit, name, request.Split, strings.Join(entry.Splits, ", "))
	}
	set, err := entry.Load(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	set.Name, set.Split = name, request.Split
	return set, nil
}
