package optim_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"odepipe/pkg/backend/ref"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
)

func TestSettingsInText(t *testing.T) {
	for _, text := range []string{
		"",
		"optimizer=snopt\n",
		"optimizer=adam\nlr=0.1\nweight-decay=1e-05\nbeta1=0.30000000000000004\n",
		"lr=0.02\nmomentum=0.9\nnesterov=true\neps=0.03\nalpha=1\nfreq=250\nschedule=multistep\nmilestones=300,600,900\ngamma=0.5\nwarm-up=10\n",
		"schedule=cosine\ntotal-steps=1000\n",
		"preconditioner=kfac\ndamping=adaptive\ndamping-freq=7\n",
		"freq=10\nfreq-growth=1.5\nfreq-max=100\nfactor-freq=5\nfactor-decay=0.9\n",
		"group=fc.*=adam,lr=0.001\ngroup=*.bias=weight-decay=0\ngroup=!ode.*=sgd\n",
	} {
		s := settings(t, text)
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if got := s.Text(); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for text, says := range map[string]string{
		"speed=3":                        `"speed"`,
		"lr":                             "name=value",
		"lr=":                            "lr",
		"lr=fast":                        "lr",
		"lr=0":                           "above 0",
		"lr=-1":                          "above 0",
		"lr=NaN":                         "above 0",
		"lr=Inf":                         "above 0",
		"momentum=1":                     "below 1",
		"alpha=1.5":                      "at most 1",
		"freq=0":                         "above 0",
		"freq=2.5":                       "freq",
		"nesterov=perhaps":               "nesterov",
		"nesterov=true":                  "needs momentum",
		"optimizer=lbfgs":                "snopt, sgd, adam, adamw, newton",
		"optimizer=adam\nmomentum=0.9":   "momentum has no effect on adam",
		"optimizer=sgd\neps=0.1":         "eps has no effect on sgd",
		"optimizer=sgd\nfreq=10":         "freq has no effect",
		"preconditioner=cholesky":        "ekfac, kfac",
		"damping=none":                   "fixed, pi, relative, adaptive",
		"optimizer=sgd\ndamping=pi":      "damping has no effect on sgd",
		"damping=pi\ndamping-freq=3":     "damping-freq has no effect without damping adaptive",
		"preconditioner=kfac\nalpha=0.5": "alpha has no effect without preconditioner ekfac",
		"preconditioner=kfac\ngroup=fc.*=alpha=0.5": "alpha has no effect",
		"freq-growth=0.9":                           "at least 1",
		"freq-max=500":                              "freq-max has no effect without freq-growth",
		"freq-growth=2\nfreq-max=50":                "freq-max 50 is below freq 100",
		"factor-freq=5":                             "factor-freq has no effect without factor-decay",
		"factor-freq=200\nfactor-decay=0.9":         "factor-freq 200 is beyond freq 100",
		"factor-decay=1":                            "below 1",
		"optimizer=adam\nfactor-decay=0.5":          "factor-decay has no effect on adam",
		"kl-clip=0":                                 "above 0",
		"optimizer=sgd\nkl-clip=0.1":                "kl-clip has no effect on sgd",
		"clip-norm=-1":                              "above 0",
		"vectors=3":                                 "vectors has no effect on snopt",
		"optimizer=newton\nvectors=0":               "above 0",
		"optimizer=newton\nalpha=0.5":               "alpha has no effect on newton",
		"optimizer=newton\nkl-clip=0.5":             "kl-clip has no effect on newton",
		"optimizer=snopt\nbeta1=0.8":                "beta1 has no effect on snopt",
		"schedule=linear":                           "constant, multistep, cosine",
		"schedule=multistep":                        "needs milestones",
		"schedule=cosine":                           "needs total-steps",
		"schedule=cosine\nmilestones=3":             "has no effect",
		"gamma=0.5":                                 "has no effect",
		"total-steps=5":                             "has no effect",
		"milestones=5,5":                            "ascend",
		"milestones=5,,7":                           "milestones",
		"schedule=multistep\nmilestones=0":          "above 0",
		"schedule=cosine\ntotal-steps=5\nwarm-up=5": "beyond",
		"group=fc.*":                                "PATTERN=RULE",
		"group==adam":                               "PATTERN=RULE",
		"group=fc.*=":                               "PATTERN=RULE",
		"group=[=adam":                              "malformed",
		"group=fc.*=lbfgs":                          "lbfgs",
		"group=fc.*=adam,freq=10":                   "freq",
		"group=fc.*=adam,lr=0":                      "above 0",
		"group=fc.*=lr=0.1,adam":                    "adam",
		"group=fc.*=adam,optimizer=sgd":             "behind the pattern",
		"group=fc.*=adam,momentum=0.9":              "momentum has no effect on adam",
		"group=fc.*=nesterov=true":                  "needs momentum",
	} {
		s, err := optim.Parse(text)
		if err == nil {
			err = s.Check()
		}
		if !errors.Is(err, optim.ErrSetting) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, which should say %q", text, err, says)
		}
	}
}

func TestSettingsMadeInGoAreCheckedToo(t *testing.T) {
	for _, s := range []optim.Settings{
		{Main: optim.Rule{LR: math.NaN()}},
		{Main: optim.Rule{Optimizer: "lbfgs"}},
		{Milestones: []int64{3, 2}},
		{Groups: []optim.Group{{Pattern: "x"}}},
		{Groups: []optim.Group{{Pattern: "x", Overrides: []optim.Override{{Name: "lr", Value: "0"}}}}},
	} {
		if err := s.Check(); !errors.Is(err, optim.ErrSetting) {
			t.Errorf("%+v: error %v", s, err)
		}
	}
}

// Every entry of the table has what help and checkpoints need, and its default is in its own range.
func TestTable(t *testing.T) {
	for _, e := range optim.Table {
		if e.Name == "" || e.Unit == "" || e.Help == "" {
			t.Errorf("%+v lacks something", e)
		}
		var s optim.Settings
		if e.Default == "" {
			continue
		}
		if err := s.Set(e.Name, e.Default); err != nil {
			t.Error(err)
		}
	}
	for _, o := range optim.Optimizers {
		var s optim.Settings
		if err := errors.Join(s.Set("optimizer", o.Name), s.Set("lr", o.LR), s.Check()); err != nil {
			t.Error(err)
		}
		for _, e := range optim.Table {
			if e.Name == "lr" && !strings.Contains(e.Help, o.LR+" for ") {
				t.Errorf("the help of lr does not say that it is %s for %s", o.LR, o.Name)
			}
		}
	}
}

func TestSchedules(t *testing.T) {
	const rate = 2
	cases := []struct {
		text string
		want map[int64]float64
	}{
		{"", map[int64]float64{0: 2, 1000: 2}},
		{"warm-up=4", map[int64]float64{0: 0.5, 1: 1, 3: 2, 4: 2}},
		{"schedule=multistep\nmilestones=3,5", map[int64]float64{2: 2, 3: 0.2, 4: 0.2, 5: 0.02, 100: 0.02}},
		{"schedule=multistep\nmilestones=1\ngamma=0.5\nwarm-up=2", map[int64]float64{0: 1, 1: 1, 2: 1}},
		{"schedule=cosine\ntotal-steps=8", map[int64]float64{0: 2, 2: 1 + math.Sqrt2/2, 4: 1, 8: 0, 9: 0}},
		{"schedule=cosine\ntotal-steps=10\nwarm-up=2", map[int64]float64{0: 1, 1: 2, 2: 2, 6: 1, 10: 0}},
	}
	for _, c := range cases {
		p := one(0)
		o := p.optimizer(t, "optimizer=sgd\nlr=2\n"+c.text)
		for step, want := range c.want {
			if got := o.LR(step); !(math.Abs(got-want) <= 1e-14) {
				t.Errorf("%q, step %d: %g, want %g", c.text, step, got, want)
			}
			before := p.values()[0]
			if got := before - p.feed(t, o, step, 1); !(math.Abs(got-want) <= 1e-14) {
				t.Errorf("%q, step %d goes %g, want %g", c.text, step, got, want)
			}
		}
	}
}

// Groups are told apart by what a first step does to each parameter: with gradient 1 and value 1, sgd changes it by
// lr (1 + weight decay), adam by lr.
func TestGroups(t *testing.T) {
	names := []string{"ode.a.weight", "ode.a.bias", "fc.weight", "fc.bias"}
	cases := []struct {
		text string
		want [4]float64
	}{
		{"lr=0.5", [4]float64{0.5, 0.5, 0.5, 0.5}},
		{"lr=0.5\ngroup=fc.*=adam", [4]float64{0.5, 0.5, 0.001, 0.001}},
		{"lr=0.5\ngroup=fc.*=adam,lr=0.25", [4]float64{0.5, 0.5, 0.25, 0.25}},
		{"lr=0.5\ngroup=!ode.*=adam,lr=0.25", [4]float64{0.5, 0.5, 0.25, 0.25}},
		{"lr=0.5\ngroup=fc.weight=lr=0.125\ngroup=fc.*=adam,lr=0.25", [4]float64{0.5, 0.5, 0.125, 0.25}},
		{"lr=0.5\nweight-decay=0.5\ngroup=*.bias=weight-decay=0", [4]float64{0.75, 0.5, 0.75, 0.5}},
		{"lr=0.5\nweight-decay=0.5\ngroup=*.bias=sgd,lr=0.25", [4]float64{0.75, 0.375, 0.75, 0.375}},
		{"lr=0.5\nmomentum=0.5\ngroup=*.weight=momentum=0,nesterov=false", [4]float64{0.5, 0.5, 0.5, 0.5}},
		{"lr=0.5\nschedule=multistep\nmilestones=1\nwarm-up=2\ngroup=f?.*=lr=0.25", [4]float64{0.25, 0.25, 0.125, 0.125}},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.text, "\n", " "), func(t *testing.T) {
			p := &problem{be: ref.New()}
			grads := map[string]tensor.T{}
			for _, name := range names {
				p.params = append(p.params, optim.Param{Name: name, Value: p.upload(tensor.Of(1), []float64{1})})
				grads[name] = p.upload(tensor.Of(1), []float64{1})
			}
			o := p.optimizer(t, "optimizer=sgd\n"+c.text)
			if _, err := o.Step(0, optim.Batch{Size: 1, Grads: grads}); err != nil {
				t.Fatal(err)
			}
			for i, v := range p.values() {
				if !(math.Abs(1-v-c.want[i]) <= 1e-8) {
					t.Errorf("%s changed by %g, want %g", names[i], 1-v, c.want[i])
				}
			}
		})
	}
}

func TestOptimizersThatCannotBeMade(t *testing.T) {
	for text, says := range map[string]string{
		"group=cf.*=adam":                       "no parameter is left",
		"group=fc.*=adam\ngroup=*.bias=sgd":     "no parameter is left",
		"group=fc.weight=adam":                  "share Kronecker factors",
		"group=fc.bias=adam":                    "share Kronecker factors",
		"group=fc.bias=eps=0.1":                 "share Kronecker factors",
		"freq=0":                                "freq",
		"optimizer=adam\ngroup=fc.bias=snopt":   "share Kronecker factors",
		"optimizer=adam\ngroup=fc.weight=snopt": "share Kronecker factors",
	} {
		p := newProblem(ref.New())
		s, err := optim.Parse(text)
		if err == nil {
			_, err = optim.New(p.be, s, optim.Parts{Params: p.params, Layers: p.layers}, 1)
		}
		if !errors.Is(err, optim.ErrSetting) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, which should say %q", text, err, says)
		}
	}
	p := newProblem(ref.New())
	p.params = append(p.params, optim.Param{Name: "gru.i2r.weight", Value: p.upload(tensor.Of(2, 2), make([]float64, 4))})
	if _, err := optim.New(p.be, optim.Settings{}, optim.Parts{Params: p.params, Layers: p.layers}, 1); !errors.Is(err, optim.ErrSetting) || !strings.Contains(err.Error(), "gru.i2r.weight") {
		t.Errorf("a parameter without factors: error %v", err)
	}
	if _, err := optim.New(p.be, settings(t, "group=gru.*=adam\ngroup=*.bias=weight-decay=0.1,lr=0.5"), optim.Parts{Params: p.params, Layers: p.layers}, 1); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("optimizer=adam\nlr=0.1\ngroup=fc.*=sgd,momentum=0.9")
	f.Add("schedule=multistep\nmilestones=1,2,3\ngamma=0.5")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := optim.Parse(text)
		if err != nil {
			return
		}
		_ = s.Check()
		again, err := optim.Parse(s.Text())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("%q came back as %q: %v", text, again.Text(), err)
		}
	})
}
