package pipeline

import (
	"fmt"

	"odepipe/pkg/kfac"
	"odepipe/pkg/model"
)

// SecondOrder says which second-order information odebackward writes.
type SecondOrder string

// The modes of --second-order.
const (
	Auto      SecondOrder = ""          // what the optimizer wants, on the mini-batches for which it wants it
	SNOpt     SecondOrder = "snopt"     // Kronecker factors
	None      SecondOrder = "none"      // nothing
	LowRank   SecondOrder = "lowrank"   // Kronecker factors, and the rows p_i of Proposition 2 for all parameters
	Theorem1  SecondOrder = "theorem1"  // Q_uu(t0) of Theorem 1 for every ODE block
	Recursive SecondOrder = "recursive" // Hessians by the adjoint of the adjoint
)

// SecondOrders lists the modes that can be asked for by name.
var SecondOrders = []string{string(SNOpt), string(None), string(LowRank), string(Theorem1), string(Recursive)}

// wish is what a mini-batch is to yield beside its gradient.
type wish struct {
	factors, rows, theorem1, recursive bool
	vectors                            int // Hessian-vector products of recursive; 0: dense Hessians
}

// wanted is the wish for the mini-batch in hand, computed with the parameters of a step. Parameters of its own step say
// themselves whether their optimizer wants something; for those of another, from a checkpoint, its settings do.
func (b *backward) wanted(w weights, paramStep int64) wish {
	switch b.options.SecondOrder {
	case SNOpt:
		return wish{factors: true}
	case LowRank:
		return wish{factors: true, rows: true}
	case Theorem1:
		return wish{theorem1: true}
	case Recursive:
		return wish{recursive: true, vectors: b.options.Vectors}
	case Auto:
		if paramStep == b.out.Step && w.refresh || paramStep != b.out.Step && b.settings.Refreshes(b.out.Step) {
			factors, probes := b.settings.Curvature()
			return wish{factors: factors, recursive: probes > 0, vectors: int(probes)}
		}
	}
	return wish{}
}

// sampling is the optimizer's way to sample factors, but for what the options say.
func (b *backward) sampling() Sampling {
	sampler, step, terminal, rank := b.settings.Sampling()
	s := Sampling{Factors: sampler, Step: step, Terminal: Terminal(terminal), Rank: int(rank)}
	own := b.options.Sampling
	if own.Factors != "" {
		s.Factors = own.Factors
	}
	if own.Step != 0 {
		s.Step = own.Step
	}
	if own.Rank > 1 {
		s.Terminal, s.Rank = DrawnVectors, own.Rank
	}
	if own.Terminal != "" {
		s.Terminal = own.Terminal
	}
	return s
}

// factorsFit names a layer whose Kronecker factors are too large to make.
func factorsFit(n *model.Network) error {
	for _, l := range n.Affine() {
		if side := max(l.Geometry.GramSize(), l.Geometry.Out); side > kfac.MaxSide {
			return fmt.Errorf("layer %s has a Kronecker factor of side %d, more than %d: %w", l.Name, side, kfac.MaxSide, ErrMismatch)
		}
	}
	return nil
}
