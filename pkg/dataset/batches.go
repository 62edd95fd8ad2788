package dataset

import (
	"fmt"
	"math"
)

// Plan cuts the rows of a set into mini-batches. Steps count from 0 and go on from epoch to epoch; step k is mini-batch
// k mod PerEpoch of epoch k / PerEpoch, and every epoch has an order of its own.
type Plan struct {
	Rows     int
	Batch    int
	Seed     uint64
	Shuffle  bool // else the order of the files
	KeepRest bool // an epoch ends with a smaller mini-batch of the rest; else the rest is dropped
	Shard    int  // the part of each mini-batch that this process takes, from 0
	Shards   int  // how many equal parts there are; 0 is one

	Of     int    // rows that the set has, if not all are used: Rows of them are then drawn at random
	Choice uint64 // seed of the draw
}

// Check is an error if there are no such mini-batches.
func (p Plan) Check() error {
	rest := p.Rows % max(p.Batch, 1)
	switch {
	case p.Batch < 1:
		return fmt.Errorf("%w: %d rows each", ErrPlan, p.Batch)
	case p.Batch > p.Rows && !p.KeepRest:
		return fmt.Errorf("%w: %d rows each, and the set has %d", ErrPlan, p.Batch, p.Rows)
	case p.Of != 0 && p.Rows > p.Of:
		return fmt.Errorf("%w: %d rows of a set that has %d", ErrPlan, p.Rows, p.Of)
	case p.Shards < 0 || p.Shard < 0 || p.Shard >= max(p.Shards, 1):
		return fmt.Errorf("%w: shard %d of %d", ErrPlan, p.Shard, p.Shards)
	case p.Batch%p.shards() != 0:
		return fmt.Errorf("%w: %d rows in %d equal shards", ErrPlan, p.Batch, p.Shards)
	case p.KeepRest && rest%p.shards() != 0:
		return fmt.Errorf("%w: %d rows, the rest of an epoch, in %d equal shards", ErrPlan, rest, p.Shards)
	}
	return nil
}

func (p Plan) shards() int { return max(p.Shards, 1) }

// Size is the largest number of rows that Order.Step gives.
func (p Plan) Size() int { return min(p.Batch, p.Rows) / p.shards() }

// PerEpoch is the number of mini-batches in an epoch.
func (p Plan) PerEpoch() int64 {
	n := p.Rows / p.Batch
	if p.KeepRest && p.Rows%p.Batch > 0 {
		n++
	}
	return int64(n)
}

// MaxSteps is the number of steps whose epoch an int32 can count.
func (p Plan) MaxSteps() int64 { return p.PerEpoch() * math.MaxInt32 }

// Order gives the rows of the mini-batches, keeping what it computed for an epoch. It is used by one goroutine.
type Order struct {
	plan   Plan
	epoch  int64
	order  permutation
	choice permutation // its first Rows are those that are used
}

// NewOrder panics if the plan fails its Check.
func NewOrder(plan Plan) *Order {
	if plan.Check() != nil {
		panic("dataset: plan of no mini-batches")
	}
	return &Order{plan: plan, epoch: -1, choice: newPermutation(max(plan.Of, 1), newSource(streamChoice, plan.Choice))}
}

// Size is the plan's.
func (o *Order) Size() int { return o.plan.Size() }

// Step overwrites index with the row numbers of the mini-batch of a step (this shard's part, in order), reusing its
// memory, and returns them with the epoch. It costs the same for every step.
func (o *Order) Step(index []int64, step int64) (rows []int64, epoch int32) {
	p := o.plan
	if e := step / p.PerEpoch(); e != o.epoch {
		o.epoch, o.order = e, newPermutation(p.Rows, newSource(streamShuffle, p.Seed, uint64(e)))
	}
	first := int(step%p.PerEpoch()) * p.Batch
	part := min(p.Batch, p.Rows-first) / p.shards() // the rest of an epoch has fewer rows than Size
	first += p.Shard * part
	rows = index[:0]
	for i := first; i < first+part; i++ {
		row := uint64(i)
		if p.Shuffle {
			row = o.order.at(row)
		}
		if p.Of != 0 {
			row = o.choice.at(row)
		}
		rows = append(rows, int64(row))
	}
	return rows, int32(o.epoch)
}
