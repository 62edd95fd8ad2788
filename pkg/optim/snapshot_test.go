package optim_test

import (
	"errors"
	"slices"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/optim"
)

// TestASnapshotUndoesAStep compares parameters and state, to the bit, before a step and after it was undone, and then the
// same step with that of an optimizer that never made it before.
func TestASnapshotUndoesAStep(t *testing.T) {
	for name, text := range map[string]string{
		"SNOpt with adaptive damping and averages": "optimizer=snopt\nmomentum=0.9\ndamping=adaptive\nfactor-decay=0.5\nfreq=2\nfactor-freq=1\n",
		"Adam":      "optimizer=adam\n",
		"a mixture": "optimizer=snopt\ngroup=fc.*=adam\n",
	} {
		t.Run(name, func(t *testing.T) {
			settings, err := optim.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			p := newProblem(ref.New())
			o, err := optim.New(p.be, settings, optim.Parts{Params: p.params, Layers: p.layers}, 1)
			if err != nil {
				t.Fatal(err)
			}
			all := func() []float64 {
				list := p.values()
				for _, s := range o.State() {
					list = append(list, download(p.be, s.T)...)
				}
				return list
			}
			step := func(k int64) {
				t.Helper()
				if _, err := o.Step(k, optim.Batch{Size: 16, Loss: float64(9 - k), Grads: p.grads(k), Factors: p.factors(k)}); err != nil {
					t.Fatal(err)
				}
			}
			snapshot := o.NewSnapshot()
			for k := range int64(3) {
				snapshot.Take()
				before := all()
				step(k)
				after := all()
				if slices.Equal(before, after) {
					t.Fatal("the step did nothing")
				}
				snapshot.Restore()
				if !slices.Equal(all(), before) {
					t.Errorf("step %d was not undone", k)
				}
				step(k)
				if !slices.Equal(all(), after) {
					t.Errorf("step %d is another one the second time", k)
				}
			}
		})
	}
}

func TestRaisedDamping(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
	}{
		"the default":         {"", "eps=0.5\n"},
		"one that is set":     {"eps=0.2\n", "eps=2\n"},
		"of a group alone":    {"optimizer=adam\ngroup=ode.*=snopt\n", "optimizer=adam\ngroup=ode.*=snopt,eps=0.5\n"},
		"a group like Main":   {"eps=1\ngroup=fc.*=lr=0.1\n", "eps=10\ngroup=fc.*=lr=0.1\n"},
		"a group of its own":  {"group=fc.*=eps=0.3\n", "eps=0.5\ngroup=fc.*=eps=3\n"},
		"beside another rule": {"group=fc.*=adam\n", "eps=0.5\ngroup=fc.*=adam\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := optim.Parse(c.before)
			if err != nil {
				t.Fatal(err)
			}
			raised, err := s.RaiseDamping(10)
			if err != nil || raised.Text() != c.after {
				t.Errorf("%q, %v", raised.Text(), err)
			}
			if s.Text() != c.before {
				t.Errorf("the old settings are %q now", s.Text())
			}
		})
	}
	s, err := optim.Parse("optimizer=adam\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RaiseDamping(10); !errors.Is(err, optim.ErrSetting) {
		t.Errorf("Adam: %v", err)
	}
}
