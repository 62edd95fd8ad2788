package main

import (
	"errors"
	"fmt"
	"strings"

	"odepipe/pkg/cli"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
)

// setting is a flag of one entry of optim.Table; it keeps what was given, in order.
type setting struct {
	entry optim.Setting
	given []string
}

func (s *setting) String() string { return s.entry.Default }
func (s *setting) Type() string   { return s.entry.Unit }

func (s *setting) Set(value string) error {
	var scratch optim.Settings
	if err := scratch.Set(s.entry.Name, s.plain(value)); err != nil {
		return err
	}
	s.given = append(s.given, value)
	return nil
}

// published marks the settings of the paper's runs where a preset has better ones: --optimizer=snopt-paper.
const published = "-paper"

// plain is a value as optim knows it.
func (s *setting) plain(value string) string {
	if s.entry.Name == "optimizer" {
		return strings.TrimSuffix(value, published)
	}
	return value
}

func initProgram() cli.Program {
	var modelName, weights string
	var seed uint64
	settings := make([]*setting, len(optim.Table))
	return cli.Program{
		Name:    "init",
		Purpose: "Make the checkpoint of step 0.",
		Usage:   "--model FILE|PRESET [--seed S] [--weights FILE] [settings of the optimizer] > FILE",
		Define: func(f *cli.Flags) {
			f.StringVar(&modelName, "model", "", "a model `FILE` (TOML, - for standard input), or the name of a preset, whose settings become defaults")
			f.Uint64Var(&seed, "seed", 0, "`SEED` of the initial values: Kaiming-uniform, as PyTorch's default")
			f.StringVar(&weights, "weights", "", "take the initial values from a safetensors `FILE` (- for standard input) instead")
			for i, entry := range optim.Table {
				settings[i] = &setting{entry: entry}
				flag := f.VarPF(settings[i], entry.Name, "", entry.Help)
				if entry.Unit == "BOOL" {
					flag.NoOptDefVal = "true"
				}
			}
		},
		Run: func(c *cli.Context, _ []string) error {
			if modelName == "" {
				return cli.Usage("--model is missing")
			}
			if weights != "" && c.Flags.Changed("seed") {
				return cli.Usage("--seed has no effect with --weights")
			}
			if modelName == "-" && weights == "-" {
				return cli.Usage("--model and --weights cannot both be standard input")
			}
			spec, err := model.Load(modelName)
			if errors.Is(err, model.ErrPreset) {
				return cli.Usage("--model: %v", err)
			}
			if err != nil {
				return err
			}
			s, err := collect(settings, modelName)
			if err != nil {
				return err
			}
			out, err := c.Output()
			if err != nil {
				return err
			}
			checkpoint, err := pipeline.Init(spec, s, seed, weights, c.Backend)
			if errors.Is(err, optim.ErrSetting) {
				return cli.Usage("%v", err)
			}
			if errors.Is(err, model.ErrModel) {
				return fmt.Errorf("%s: %w", modelName, err)
			}
			if err != nil {
				return err
			}
			return checkpoint.Encode(out)
		},
		Input:  "none, unless a file is called -",
		Output: "a checkpoint: an Arrow file",
		Examples: `kfacstep init --model=mnist --optimizer=snopt --seed=1 > ck.arrow
kfacstep init --model=./model.toml --optimizer=snopt --lr=0.01 --group='head.*=adam,lr=0.001' > ck.arrow`,
	}
}

// collect joins what was given with the settings of a preset for the chosen optimizer.
func collect(settings []*setting, modelName string) (optim.Settings, error) {
	var s optim.Settings
	given := map[string]bool{}
	recipe := optim.Optimizers[0].Name
	for _, f := range settings {
		for _, value := range f.given {
			given[f.entry.Name] = true
			if f.entry.Name == "optimizer" {
				recipe = value
			}
			if err := s.Set(f.entry.Name, f.plain(value)); err != nil {
				return s, err
			}
		}
	}
	preset, _ := model.PresetByName(modelName)
	flags, known := preset.Recipes[recipe]
	if !known && strings.HasSuffix(recipe, published) {
		return s, cli.Usage("--optimizer %s: model %s has no published settings beside its own", recipe, modelName)
	}
	for _, flag := range flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if given[name] || name == "factor-step" && given["factors"] { // which may leave it without effect
			continue
		}
		if err := s.Set(name, value); err != nil {
			panic("kfacstep: a preset has a bad setting")
		}
	}
	if err := s.Check(); err != nil {
		return s, cli.Usage("%v", err)
	}
	return s, nil
}
