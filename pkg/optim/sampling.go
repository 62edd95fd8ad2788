package optim

import "fmt"

// Samplers and Terminals are where Kronecker factors are sampled, and what their vectors start from; the first of both
// is the default.
var (
	Samplers  = []string{"grid", "stages"}
	Terminals = []string{"gradient", "exact", "sampled"}
)

func samplerNames() []string  { return Samplers }
func terminalNames() []string { return Terminals }

// Sampling is how the Kronecker factors are sampled: where, with which spacing of the grid, from which vectors, and how
// many of them if they are drawn.
func (s Settings) Sampling() (sampler string, step float64, terminal string, rank int64) {
	s = s.complete()
	if s.FactorStep == 0 {
		s.FactorStep = 0.01
	}
	return s.Factors, s.FactorStep, s.Terminal, max(s.Rank, 1)
}

// checkSampling returns ErrSetting if one of these settings has no effect.
func (s Settings) checkSampling() error {
	s = s.complete()
	switch {
	case s.FactorStep != 0 && s.Factors != "grid":
		return fmt.Errorf("%w: factor-step has no effect on factors at the stages", ErrSetting)
	case s.Rank != 0 && s.Terminal != "sampled":
		return fmt.Errorf("%w: rank has no effect on the %s vectors", ErrSetting, s.Terminal)
	}
	return nil
}
