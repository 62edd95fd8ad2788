package model_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"odepipe/pkg/model"
)

// FuzzModel reads a model file and builds its network: what does not work is ErrModel.
func FuzzModel(f *testing.F) {
	paths, err := filepath.Glob("../../scripts/models/*.toml")
	if err != nil || len(paths) == 0 {
		f.Fatal("no model files", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("name = \"a\"\ninput = [1, 2, 3]\nloss = \"mse\"\n[[block]]\ntype = \"flatten\"\n[[block]]\ntype = \"linear\"\nname = \"l\"\nin = 6\nout = 9223372036854775807\n")
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := model.Parse(text)
		if err == nil {
			_, err = model.NewNetwork(spec)
		}
		if err != nil && !errors.Is(err, model.ErrModel) {
			t.Errorf("%q: %v", text, err)
		}
		if spec != nil && spec.Text != text {
			t.Errorf("%q became %q", text, spec.Text)
		}
	})
}
