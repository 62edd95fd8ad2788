package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"odepipe/pkg/cli"
	"odepipe/pkg/dataset"
)

// options are datagen's flags and its argument.
type options struct {
	name      string // of the data set, empty with --x
	files     dataset.Files
	data      string
	split     string // with a data set: its full name, once checked
	splitSeed uint64
	fraction  float64
	batch     int
	epochs    int32
	seed      uint64
	shuffle   bool
	start     int64
	count     int64
	dropLast  bool
	shard     string
	augment   string

	part, parts int             // of --shard
	changes     dataset.Augment // of --augment
}

// define adds the flags.
func (o *options) define(f *cli.Flags) {
	f.StringVar(&o.files.X, "x", "", "inputs from `FILE`, .npy [N, ...] or .csv, also packed as .gz")
	f.StringVar(&o.files.Y, "y", "", "classes (whole numbers from 0) or targets (floats) from `FILE`")
	f.StringVar(&o.files.Times, "times", "", "times [N, T] of the points of the series from `FILE`, units of t; without it they lie a unit apart")
	f.StringVar(&o.files.Length, "length", "", "numbers of time points of the series x [N, T, C] from `FILE`")
	f.StringVar(&o.files.T0, "t0", "", "where the interval of each row begins, a number a row, from `FILE` (default: the model's t0)")
	f.StringVar(&o.files.T1, "t1", "", "where the interval of each row ends, not where it begins, from `FILE` (default: the model's t1)")
	f.StringVar(&o.data, "data", "", "the data folder is `DIR` (default $ODEPIPE_DATA, else ./data)")
	f.StringVar(&o.split, "split", dataset.Train, "which part of the data set, `[RULE:]PART`: train, val, test or extra; by the rule paper, the default of time series, or original, the files' own; with --x the name of what the files hold")
	f.Uint64Var(&o.splitSeed, "split-seed", 0, "`SEED` of the random cut of the rule paper, and of --fraction")
	f.Float64Var(&o.fraction, "fraction", 1, "use a random share `F` of the rows, the same in all epochs")
	f.IntVar(&o.batch, "batch", 128, "`N` rows in a mini-batch")
	f.Int32Var(&o.epochs, "epochs", 1, "stop after `E` passes over the data; no limit if --count alone is given")
	f.Uint64Var(&o.seed, "seed", 0, "`SEED` of the order, of generated data and of changed pictures, 0 to 2^64-1")
	f.BoolVar(&o.shuffle, "shuffle", true, "a new random order in every epoch (default true for train and extra, false for val and test)")
	f.Lookup("shuffle").DefValue = "false" // not shown: the usage says it
	f.Int64Var(&o.start, "start-step", 0, "start with mini-batch `K`, counted from 0 through all epochs")
	f.Int64Var(&o.count, "count", 0, "stop after `N` mini-batches (default: at the end of the epochs)")
	f.BoolVar(&o.dropLast, "drop-last", true, "drop the rows that do not fill a last mini-batch; --drop-last=false makes them a smaller one")
	f.StringVar(&o.augment, "augment", "", "change pictures of training rows at random: `flip,crop` or one of them")
	f.StringVar(&o.shard, "shard", "", "of each mini-batch write the R-th of N equal parts, `R/N`, R from 0")
}

// check finds what is wrong with the flags before any data is read.
func (o *options) check(c *cli.Context, args []string) error {
	if len(args) > 0 {
		o.name = args[0]
	}
	if err := o.checkSource(c); err != nil {
		return err
	}
	switch {
	case o.batch < 1:
		return cli.Usage("--batch %d: it must be 1 or more", o.batch)
	case !(o.fraction > 0 && o.fraction <= 1):
		return cli.Usage("--fraction %v: it must be above 0 and at most 1", o.fraction)
	case o.epochs < 1:
		return cli.Usage("--epochs %d: it must be 1 or more", o.epochs)
	case o.start < 0:
		return cli.Usage("--start-step %d: it must be 0 or more", o.start)
	case o.count < 0:
		return cli.Usage("--count %d: it must be 0 or more", o.count)
	}
	if err := o.parseShard(); err != nil {
		return err
	}
	return o.parseAugment(c)
}

// checkSource finds where the data comes from, and which flags would have no effect on it.
func (o *options) checkSource(c *cli.Context) error {
	given := c.Flags.Changed
	if o.name == "" {
		o.shuffle = o.shuffled(given)
		return o.checkFiles(given)
	}
	if given("x") || givenWithX(given) {
		return cli.Usage("%s has its own columns; --x, --y, --length, --times, --t0 and --t1 are for files instead of a data set", o.name)
	}
	entry, err := dataset.Find(o.name)
	if err != nil {
		return cli.Usage("%v", err)
	}
	if o.split, err = entry.Split(o.split); err != nil {
		return cli.Usage("%v", err)
	}
	o.shuffle = o.shuffled(given)
	rule, _ := dataset.CutSplit(o.split)
	switch {
	case given("split-seed") && rule != dataset.Paper && !given("fraction"):
		return cli.Usage("--split-seed has no effect on the split %s of %s", o.split, o.name)
	case !entry.Files && given("data"):
		return cli.Usage("--data has no effect: %s is generated", o.name)
	case entry.Files && given("seed") && !o.shuffle && !given("augment"):
		return cli.Usage("--seed has no effect without --shuffle")
	}
	if o.data == "" {
		o.data = os.Getenv("ODEPIPE_DATA")
	}
	if o.data == "" {
		o.data = "data"
	}
	return nil
}

// shuffled tells whether the order is random: as the flag says, else for training rows.
func (o *options) shuffled(given func(string) bool) bool {
	return o.shuffle && (given("shuffle") || o.training())
}

// training tells whether the split has rows to train with.
func (o *options) training() bool {
	_, part := dataset.CutSplit(o.split)
	return part == dataset.Train || part == dataset.Extra
}

// givenWithX tells whether a flag is given that needs --x.
func givenWithX(given func(string) bool) bool {
	return slices.ContainsFunc([]string{"y", "length", "times", "t0", "t1"}, given)
}

// checkFiles is checkSource for the user's own files.
func (o *options) checkFiles(given func(string) bool) error {
	stdin := 0
	for _, path := range []string{o.files.X, o.files.Y, o.files.Length, o.files.T0, o.files.T1} {
		if path == "-" {
			stdin++
		}
	}
	switch {
	case o.files.X != "" && !slices.Contains(dataset.Splits, o.split):
		return cli.Usage("--split %s: with --x it must be one of %s", o.split, strings.Join(dataset.Splits, ", "))
	case o.files.X != "" && given("split-seed") && !given("fraction"):
		return cli.Usage("--split-seed has no effect with --x and without --fraction")
	case o.files.X == "" && givenWithX(given):
		return cli.Usage("--y, --length, --times, --t0 and --t1 need --x")
	case o.files.X == "":
		return cli.Usage("name a data set, or a file with --x; 'datagen list' shows the data sets")
	case stdin > 1:
		return cli.Usage("only one file can be standard input")
	case given("data"):
		return cli.Usage("--data has no effect with --x")
	case given("seed") && !o.shuffle && !given("augment"):
		return cli.Usage("--seed has no effect without --shuffle")
	}
	return nil
}

// parseShard reads R/N.
func (o *options) parseShard() error {
	o.parts = 1
	if o.shard == "" {
		return nil
	}
	r, n, _ := strings.Cut(o.shard, "/")
	part, errR := strconv.ParseUint(r, 10, 31)
	parts, errN := strconv.ParseUint(n, 10, 31)
	if errR != nil || errN != nil || part >= parts {
		return cli.Usage("--shard %s: it must be R/N with 0 <= R < N", o.shard)
	}
	o.part, o.parts = int(part), int(parts)
	if o.batch%o.parts != 0 {
		return cli.Usage("--shard %s: a mini-batch of %d has no %d equal parts", o.shard, o.batch, o.parts)
	}
	return nil
}

// parseAugment reads how pictures are changed.
func (o *options) parseAugment(c *cli.Context) (err error) {
	if !c.Flags.Changed("augment") {
		return nil
	}
	if !o.training() {
		return cli.Usage("--augment changes training rows, and --split is %s", o.split)
	}
	if o.changes, err = dataset.ParseAugment(o.augment, o.seed); err != nil {
		return cli.Usage("--augment: %v", err)
	}
	return nil
}

// load reads or generates the data.
func (o *options) load() (set *dataset.Set, err error) {
	if o.name == "" {
		set, err = dataset.LoadFiles(o.files, o.split)
	} else {
		set, err = dataset.Load(o.name, dataset.Request{Folder: o.data, Split: o.split, SplitSeed: o.splitSeed, Seed: o.seed})
	}
	if err == nil && o.augment != "" {
		err = o.changes.Check(&set.Columns[0])
	}
	return set, err
}

// plan cuts the rows into mini-batches.
func (o *options) plan(rows int) (dataset.Plan, error) {
	plan := dataset.Plan{
		Rows: rows, Batch: o.batch, Seed: o.seed, Shuffle: o.shuffle, KeepRest: !o.dropLast, Shard: o.part, Shards: o.parts,
	}
	if o.fraction < 1 {
		plan.Rows, plan.Of, plan.Choice = max(1, int(math.Round(o.fraction*float64(rows)))), rows, o.splitSeed
	}
	if err := plan.Check(); err != nil {
		return plan, fmt.Errorf("%w; --batch N and --drop-last decide", err)
	}
	return plan, nil
}

// steps are the mini-batches [first, end) that the flags ask for.
func (o *options) steps(c *cli.Context, plan dataset.Plan) (first, end int64, err error) {
	counted := c.Flags.Changed("count")
	limit := int64(o.epochs) * plan.PerEpoch()
	if counted && !c.Flags.Changed("epochs") {
		limit = plan.MaxSteps()
	}
	if o.start > limit {
		return 0, 0, cli.Usage("--start-step %d: there are %d mini-batches in all, %d in an epoch", o.start, limit, plan.PerEpoch())
	}
	end = limit
	if counted && o.count < limit-o.start {
		end = o.start + o.count
	}
	return o.start, end, nil
}
