package optim_test

import (
	"errors"
	"fmt"
	"testing"

	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

// copied is the optimizer's state on the host, as a checkpoint has it: in the backend's element type.
func (p *problem) copied(o *optim.Optimizer) []optim.State {
	var out []optim.State
	for _, s := range o.State() {
		host := p.be.DType().Make(s.T.Size())
		p.be.Download(host, s.T)
		s.T.Buf = host
		out = append(out, s)
	}
	return out
}

func TestRestoredOptimizersContinueToTheBit(t *testing.T) {
	cases := []string{
		"lr=0.1\nfreq=3",
		"lr=0.1\nfreq=3\nmomentum=0.9\nnesterov=true\nweight-decay=0.01",
		"freq=100\nalpha=0.5\ngroup=fc.*=adamw,weight-decay=0.1",
		"lr=0.1\nfreq=3\ndamping=pi",
		"lr=0.1\nfreq=3\npreconditioner=kfac\ndamping=relative",
		"lr=0.1\nfreq=3\ndamping=adaptive\ndamping-freq=2\ngroup=fc.*=adam",
		"lr=0.1\nfreq=3\nfactor-freq=2\nfactor-decay=0.5",
		"lr=0.1\nfreq=1\nfreq-growth=1.5",
		"lr=0.1\nfreq=3\nkl-clip=0.01\nclip-norm=0.5",
		"optimizer=newton\nmomentum=0.9",
		"optimizer=newton\nfreq=3\ngroup=fc.*=snopt",
		"optimizer=sgd",
		"optimizer=sgd\nmomentum=0.7\nschedule=cosine\ntotal-steps=9\nwarm-up=6",
		"optimizer=adam\nschedule=multistep\nmilestones=2,6",
	}
	for backendName, newBackend := range backends() {
		for _, text := range cases {
			for _, stop := range []int64{0, 1, 4, 6} {
				through := newProblem(newBackend())
				whole := through.optimizer(t, text)
				through.run(t, whole, 0, 8)

				p := newProblem(newBackend())
				o := p.optimizer(t, text)
				p.run(t, o, 0, stop)
				again := newProblem(newBackend())
				for i, e := range p.params {
					host := p.be.DType().Make(e.Value.Size())
					p.be.Download(host, e.Value)
					again.be.Upload(again.params[i].Value, host)
				}
				restored := again.optimizer(t, settings(t, text).Text())
				if err := restored.Restore(p.copied(o)); err != nil {
					t.Fatal(err)
				}
				for step := stop; step < stop+4; step++ {
					if restored.Wants(step) != o.Wants(step) {
						t.Errorf("%s: whether step %d wants factors was not restored", text, step)
					}
				}
				again.run(t, restored, stop, 8)
				same(t, backendName+", "+text+": parameters", again.values(), through.values())
				sameState(t, backendName+", "+text, again.copied(restored), through.copied(whole))
			}
		}
	}
}

// sameState fails unless two lists agree to the bit.
func sameState(t *testing.T, what string, got, want []optim.State) {
	t.Helper()
	text := func(list []optim.State) (out string) {
		for _, s := range list {
			out += fmt.Sprintln(s.Name, s.What, s.T.Shape, s.T.Buf)
		}
		return out
	}
	if g, w := text(got), text(want); g != w {
		t.Errorf("%s: state\n%swant\n%s", what, g, w)
	}
}

func TestStateNames(t *testing.T) {
	p := newProblem(backends()["ref"]())
	o := p.optimizer(t, "momentum=0.9\ngroup=ode.*=adam")
	names := func() (out string) {
		for _, s := range o.State() {
			out += s.Name + "/" + s.What + s.T.Shape.String() + "\n"
		}
		return out
	}
	moments := "ode.conv.weight/mean[3, 2, 2, 2]\node.conv.weight/square[3, 2, 2, 2]\nfc.weight/momentum[4, 3]\nfc.bias/momentum[4]\n"
	if got := names(); got != moments {
		t.Errorf("before the first refresh:\n%s", got)
	}
	p.run(t, o, 0, 1)
	if got := names(); got != moments+"fc/basis_weight[3, 4]\nfc/basis_bias[1, 4]\nfc/basis_output[4, 4]\nfc/scale[4, 4]\n" {
		t.Errorf("after it:\n%s", got)
	}
}

func TestStatesThatDoNotFit(t *testing.T) {
	p := newProblem(backends()["ref"]())
	const text = "momentum=0.9"
	o := p.optimizer(t, text)
	p.run(t, o, 0, 1)
	good := p.copied(o)
	without := func(i int) []optim.State { return append(append([]optim.State(nil), good[:i]...), good[i+1:]...) }
	reshaped := append([]optim.State(nil), good...)
	reshaped[0].T = reshaped[0].T.Reshaped(tensor.Of(24))
	for name, list := range map[string][]optim.State{
		"nothing":               nil,
		"momentum missing":      without(0),
		"half a basis":          without(len(good) - 1),
		"one twice":             append(good, good[1]),
		"of another parameter":  append(good, optim.State{Name: "other", What: "momentum", T: good[0].T}),
		"of another optimizer":  append(good, optim.State{Name: "fc.bias", What: "mean", T: good[2].T}),
		"of another shape":      reshaped,
		"of no shape":           append(without(0), optim.State{Name: good[0].Name, What: good[0].What}),
		"basis of plain params": append(good, optim.State{Name: "fc.weight", What: "scale", T: good[0].T}),
	} {
		fresh := p.optimizer(t, text)
		if err := fresh.Restore(list); !errors.Is(err, optim.ErrMismatch) {
			t.Errorf("%s: error %v", name, err)
		}
		if !fresh.Wants(1) {
			t.Errorf("%s: something was restored", name)
		}
	}
}
