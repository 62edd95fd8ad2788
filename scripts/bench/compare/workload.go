package main

import (
	"fmt"
	"slices"
	"strings"

	"odepipe/pkg/model"
	"odepipe/pkg/optim"
)

// warmUp is the number of steps at the start of a run that do not count.
const warmUp = 2

// workloads lists the presets that are compared, and how many ordinary iterations of each a round counts by default: so
// many that all of them take about ten minutes.
var workloads = []workloadEntry{{"mnist", 8}, {"cifar10", 6}, {"spoad", 4}, {"artwr", 3}, {"chart", 3}, {"circle", 6}, {"gas", 2}, {"miniboone", 5}}

type workloadEntry struct {
	name  string
	steps int
}

func workloadNames() string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return strings.Join(names, ", ")
}

// workload is a model with its mini-batches.
type workload struct {
	preset model.Preset
	net    *model.Network
	steps  int // ordinary iterations of a run that count
}

// newWorkload finds a workload by name; steps 0 stands for its own number of steps.
func newWorkload(name string, steps int) (*workload, error) {
	i := slices.IndexFunc(workloads, func(w workloadEntry) bool { return w.name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w: no workload %q; there are %s", errUsage, name, workloadNames())
	}
	preset, _ := model.PresetByName(name)
	spec, err := model.Load(name)
	if err != nil {
		return nil, err
	}
	net, err := model.NewNetwork(spec)
	if err != nil {
		return nil, err
	}
	if steps == 0 {
		steps = workloads[i].steps
	}
	return &workload{preset: preset, net: net, steps: steps}, nil
}

// probes is the number of vectors along which a flow's divergence is computed: all unit vectors, or one; 0 if the model
// is no flow.
func (w *workload) probes() int {
	switch o := w.net.ODEs()[0]; {
	case o.Flow == nil:
		return 0
	case o.Flow.Divergence == "exact":
		return w.net.Spec.Input.Size()
	}
	return 1
}

// recipe is an optimizer with the settings of a preset.
type recipe struct {
	name     string // as kfacstep init takes it
	settings optim.Settings
}

// newRecipe finds the settings by the optimizer's name.
func (w *workload) newRecipe(name string) (recipe, error) {
	flags, found := w.preset.Recipes[name]
	if !found {
		return recipe{}, fmt.Errorf("%w: preset %s has no settings of %q", errUsage, w.preset.Name, name)
	}
	r := recipe{name: name}
	if err := r.settings.Set("optimizer", strings.TrimSuffix(name, "-paper")); err != nil {
		return recipe{}, err
	}
	for _, flag := range flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if err := r.settings.Set(name, value); err != nil {
			return recipe{}, err
		}
	}
	return r, nil
}

// refreshes says whether the optimizer has refresh iterations.
func (r recipe) refreshes() bool { return r.settings.Refreshes(0) }

// total is the number of steps of a run: those that warm up, the first of them a refresh; those that count; and, where the
// optimizer has refreshes, another one, for which the period of a run is period.
func (w *workload) total(r recipe) int {
	if r.refreshes() {
		return w.period() + 1
	}
	return w.period()
}

func (w *workload) period() int { return warmUp + w.steps }
