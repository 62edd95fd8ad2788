package model

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"strings"
)

//go:embed presets/*.toml
var presetFiles embed.FS

// Preset is a model of the paper's experiments with the settings of its runs.
type Preset struct {
	Name    string
	Batch   int // samples per mini-batch
	Epochs  int
	Whole   bool                // an epoch has all rows, its last mini-batch being a smaller one
	Recipes map[string][]string // optimizer, or optimizer-paper where the paper's settings are not the best known -> flags of kfacstep init
}

// Presets lists them in the paper's order; settings are those of its hyper-parameter table, but for snopt where there is a
// snopt-paper beside it.
var Presets = []Preset{
	{"mnist", 128, 5, false, map[string][]string{
		"snopt":       {"--lr=0.02", "--eps=0.05", "--freq=20", "--factors=stages"},
		"snopt-paper": {"--lr=0.02", "--eps=0.05", "--freq=100"},
		"adam":        {"--lr=0.001"},
		"sgd":         {"--lr=0.02", "--momentum=0.9"},
	}},
	{"svhn", 128, 10, false, map[string][]string{
		"snopt": {"--lr=0.01", "--eps=0.05", "--freq=100", "--weight-decay=0.0001"},
		"adam":  {"--lr=0.0005", "--weight-decay=0.001"},
		"sgd":   {"--lr=0.02", "--momentum=0.9"},
	}},
	{"cifar10", 128, 20, false, map[string][]string{
		"snopt": {"--lr=0.01", "--eps=0.03", "--freq=100"},
		"adam":  {"--lr=0.001", "--weight-decay=0.001"},
		"sgd":   {"--lr=0.01", "--momentum=0.9"},
	}},
	{"spoad", 128, 10, true, map[string][]string{
		"snopt": {"--lr=0.005", "--eps=0.05", "--freq=100", "--factor-step=1", second},
		"adam":  {"--lr=0.003"},
		"sgd":   {"--lr=0.01", second},
	}},
	{"artwr", 256, 600, true, map[string][]string{
		"snopt": {"--lr=0.003", "--eps=0.1", "--freq=100", "--factor-step=1", second},
		"adam":  {"--lr=0.001"},
		"sgd":   {"--lr=0.003", second},
	}},
	{"chart", 512, 400, true, map[string][]string{
		"snopt": {"--lr=0.003", "--eps=0.05", "--freq=100", "--weight-decay=0.0001", "--factor-step=1", second},
		"adam":  {"--lr=0.001"},
		"sgd":   {"--lr=0.001", "--momentum=0.7", second},
	}},
	{"circle", 512, 100, false, map[string][]string{
		"snopt": {"--lr=0.01", "--momentum=0.9", "--eps=0.05", "--freq=100", "--factor-step=0.1"},
		"adam":  {"--lr=0.001"},
		"sgd":   {"--lr=0.01", "--momentum=0.9"},
	}},
	{"gas", 1000, 30, false, map[string][]string{
		"snopt": {"--lr=0.01", "--momentum=0.9", "--eps=0.05", "--freq=250"},
		"adam":  {"--lr=0.002"},
		"sgd":   {"--lr=0.01", "--momentum=0.9"},
	}},
	{"miniboone", 128, 20, false, map[string][]string{
		"snopt": {"--lr=0.005", "--momentum=0.9", "--eps=0.1", "--freq=250"},
		"adam":  {"--lr=0.003"},
		"sgd":   {"--lr=0.01", "--momentum=0.9"},
	}},
}

// second gives what is not the field of a series to Adam, with a rate of its own.
const second = "--group=!rnn.f*=adam,lr=0.003"

// PresetByName finds a preset.
func PresetByName(name string) (Preset, bool) {
	for _, p := range Presets {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// Text is the preset's model file.
func (p Preset) Text() string {
	text, err := presetFiles.ReadFile("presets/" + p.Name + ".toml")
	if err != nil {
		panic("model: a preset has no file")
	}
	return string(text)
}

// ErrPreset says that there is no preset of a name.
var ErrPreset = errors.New("no such preset")

// Load parses the model file at a path, or a preset by its name; a name with a slash or a dot is a path, "-" is
// standard input.
func Load(name string) (*Spec, error) {
	if preset, ok := PresetByName(name); ok {
		return Parse(preset.Text())
	}
	if name == "-" {
		name = os.Stdin.Name()
	}
	if !strings.ContainsAny(name, "/.") {
		var names []string
		for _, p := range Presets {
			names = append(names, p.Name)
		}
		return nil, fmt.Errorf("%w: %q; there are %s, and a path has a slash or a dot in it", ErrPreset, name, strings.Join(names, ", "))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	spec, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return spec, nil
}
