package dataset

import (
	"fmt"
	"strings"
)

// Entry is a data set that is known by name.
type Entry struct {
	Name    string
	Summary string   // shapes and rows, for help
	Splits  []string // those it has, [RULE:]PART, those of the default rule first
	Files   bool     // it reads files; else it is made from the seed
	Load    func(Request) (*Set, error)
}

// Request says which split to load, and from where.
type Request struct {
	Folder    string // the data folder, for sets with files
	Split     string // as Entry.Split takes it
	SplitSeed uint64 // of the rule Paper
	Seed      uint64 // for generated sets
}

// Table is every data set known by name, in the order in which help shows them.
var Table = []Entry{
	{"mnist", "digits, x [1, 28, 28], 10 classes: train 60000, test 10000 rows", []string{Train, Test}, true, loadMNIST},
	{"cifar10", "small pictures, x [3, 32, 32], 10 classes: train 50000, test 10000 rows", []string{Train, Test}, true, loadCIFAR10},
	{"svhn", "house numbers, x [3, 32, 32], 10 classes: train 73257, test 26032, extra 531131 rows", []string{Train, Test, Extra}, true, loadSVHN},
	{"artwr", "ArticularyWordRecognition, x [144, 9], 25 classes: " + ueaRule, ueaSplits, true, loadUEA("ArticularyWordRecognition")},
	{"chart", "CharacterTrajectories, x [T, 3], 20 classes: " + ueaRule, ueaSplits, true, loadUEA("CharacterTrajectories")},
	{"spoad", "SpokenArabicDigits, x [T, 13], 10 classes: " + ueaRule, ueaSplits, true, loadUEA("SpokenArabicDigits")},
	{"japanesevowels", "JapaneseVowels, x [29, 12], 9 classes: " + ueaRule, ueaSplits, true, loadUEA("JapaneseVowels")},
	{"basicmotions", "BasicMotions, x [100, 6], 4 classes: " + ueaRule, ueaSplits, true, loadUEA("BasicMotions")},
	{"miniboone", "neutrino events, x [43], no y: train 29556, val 3284, test 3648 rows", Splits, true, loadFlow("miniboone", 43,
		rawFlow{"data.npy", readMiniBooNETable}, rawFlow{"MiniBooNE_PID.txt", readMiniBooNE})},
	{"gas", "gas sensors, x [8], no y: train 852174, val 94685, test 105206 rows", Splits, true, loadFlow("gas", 8, rawFlow{"ethylene_CO.txt", readGas})},
	{"power", "household power, x [6], no y: train 1659917, val 184435, test 204928 rows", Splits, true, loadFlow("power", 6)},
	{"hepmass", "particle collisions, x [21], no y: train 315123, val 35013, test 174987 rows", Splits, true, loadFlow("hepmass", 21)},
	{"bsds300", "patches of pictures, x [63], no y: train 1000000, val 50000, test 250000 rows", Splits, true, loadFlow("bsds300", 63)},
	{"spirals", "two interleaved spirals, x [2], 2 classes: " + generatedRows, Splits, false, generated(spiral)},
	{"annuli", "two concentric annuli, x [2], 2 classes: " + generatedRows, Splits, false, generated(annulus)},
	{"circle", "density of two noisy circles, x [2], no y: " + generatedRows, Splits, false, generated(circle)},
	{"circles", "density of two noisy circles, larger, x [2], no y: " + generatedRows, Splits, false, generated(circles)},
	{"rings", "density of four noisy circles, x [2], no y: " + generatedRows, Splits, false, generated(rings)},
	{"moons", "density of two half circles, x [2], no y: " + generatedRows, Splits, false, generated(moons)},
	{"pinwheel", "density of five bent arms, x [2], no y: " + generatedRows, Splits, false, generated(pinwheel)},
	{"checkerboard", "density of eight squares, x [2], no y: " + generatedRows, Splits, false, generated(checkerboard)},
	{"8gaussians", "density of eight Gaussians on a circle, x [2], no y: " + generatedRows, Splits, false, generated(eightGaussians)},
	{"2spirals", "density of two spirals, x [2], no y: " + generatedRows, Splits, false, generated(twoSpirals)},
	{"swissroll", "density of one spiral, x [2], no y: " + generatedRows, Splits, false, generated(swissRoll)},
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
	if request.Split, err = entry.Split(request.Split); err != nil {
		return nil, err
	}
	set, err := entry.Load(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	set.Name, set.Split = name, request.Split
	if rule, _ := CutSplit(set.Split); rule == Paper {
		set.Split = fmt.Sprintf("%s:%d", set.Split, request.SplitSeed)
	}
	return set, nil
}
