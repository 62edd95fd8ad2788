package optim

import "odepipe/pkg/tensor"

// Snapshot keeps the parameters and the state of an optimizer as they were when it was last taken, to go back to after
// a Step that failed. Its copies lie on the optimizer's backend: as much memory again.
type Snapshot struct {
	optimizer  *Optimizer
	live, kept []tensor.T
	flags      []*bool // whether there are bases and diagonals yet
	set        []bool
	t1         []float64 // of the blocks
}

// NewSnapshot allocates a snapshot, in the arena's memory, and takes it.
func (o *Optimizer) NewSnapshot() *Snapshot {
	s := &Snapshot{optimizer: o, t1: make([]float64, len(o.horizons))}
	for _, p := range o.params {
		s.live = append(s.live, p.Param.Value)
	}
	for _, slot := range o.slots() {
		s.live = append(s.live, slot.state.T)
		if slot.ready != nil {
			s.flags = append(s.flags, slot.ready)
		}
	}
	for _, t := range s.live {
		s.kept = append(s.kept, o.be.Plain(t.Shape))
	}
	s.set = make([]bool, len(s.flags))
	s.Take()
	return s
}

// Take keeps what is there now.
func (s *Snapshot) Take() {
	s.copy(s.kept, s.live)
	for i, f := range s.flags {
		s.set[i] = *f
	}
	for i, h := range s.optimizer.horizons {
		s.t1[i] = h.block.T1
	}
}

// Restore brings back what was there when Take was last called, to the bit.
func (s *Snapshot) Restore() {
	s.copy(s.live, s.kept)
	for i, f := range s.flags {
		*f = s.set[i]
	}
	for i, h := range s.optimizer.horizons {
		h.block.T1 = s.t1[i]
	}
}

func (s *Snapshot) copy(dst, src []tensor.T) {
	for i := range dst {
		s.optimizer.be.Combine(dst[i], []float64{1}, src[i])
	}
}
