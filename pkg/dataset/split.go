package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// The splits that a data set can have. Extra is SVHN's second training set.
const (
	Train = "train"
	Val   = "val"
	Test  = "test"
	Extra = "extra"
)

// Splits lists those that generated sets have and the user's own files may be called.
var Splits = []string{Train, Val, Test}

// Rules that say which rows are a split. Where a set has no other rule than its files' own, its splits are named
// without it.
const (
	Paper    = "paper"    // train and test files together, cut anew by class: 70 % train, 15 % val, 15 % test
	Original = "original" // the files' own
)

// CutSplit separates the rule of a split, Original where the name has none, from the part.
func CutSplit(split string) (rule, part string) {
	if rule, part, found := strings.Cut(split, ":"); found {
		return rule, part
	}
	return Original, split
}

// Split is the full name, as Splits has it, of a split that is called by its rule and part, by the part alone, which
// is then that of the set's first rule, or by a rule alone, whose train is meant.
//
// It returns ErrSplit, with the splits that there are, for one that the set has not.
func (e Entry) Split(name string) (string, error) {
	if name == Paper || name == Original {
		name += ":" + Train
	}
	for _, split := range e.Splits {
		rule, part := CutSplit(split)
		if name == split || name == part || name == rule+":"+part {
			return split, nil
		}
	}
	return "", fmt.Errorf("%w: %s has no split %q, it has %s", ErrSplit, e.Name, name, strings.Join(e.Splits, ", "))
}

// paperParts says which part each of twenty rows belongs to: 14 train, 3 val and 3 test, as evenly spread as can be,
// so that the rows of a class are cut nearly 70 : 15 : 15 wherever they begin.
var paperParts = [20]string{
	Train, Train, Train, Val, Train, Train, Test, Train, Train, Val,
	Train, Train, Train, Test, Train, Train, Val, Train, Train, Test,
}

// paperRows are the rows of a part by the rule Paper, ascending: the rows are put in the order of their classes, those
// of a class in a random order of their own, and cut by paperParts. It is a pure function of the classes and the seed.
func paperRows(classes []int32, seed uint64, part string) []int {
	byClass := map[int32][]int{}
	for row, class := range classes {
		byClass[class] = append(byClass[class], row)
	}
	var rows []int
	place := 0
	for class := range slices.Max(classes) + 1 {
		members := byClass[class]
		if len(members) == 0 {
			continue
		}
		order := newPermutation(len(members), newSource(streamSplit, seed, uint64(class)))
		for i := range members {
			if paperParts[place%len(paperParts)] == part {
				rows = append(rows, members[order.at(uint64(i))])
			}
			place++
		}
	}
	slices.Sort(rows)
	return rows
}
