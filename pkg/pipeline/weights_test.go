package pipeline_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/pipeline"
)

// FuzzWeights takes initial values from a safetensors file; what is accepted is exported, and accepted as the same.
func FuzzWeights(f *testing.F) {
	spec, err := model.Parse(hostileModel)
	if err != nil {
		f.Fatal(err)
	}
	settings, err := optim.Parse("optimizer=sgd\n")
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	weights(f, dir, "seed", []weight{{"ode.a.weight", []uint64{2, 2}, []float64{1, 2, 3, 4}}, {"ode.a.bias", []uint64{2}, []float64{5, 6}}})
	seed, err := os.ReadFile(filepath.Join(dir, "seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-1])
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f{"))
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "weights")
		export := func(content []byte) ([]byte, error) {
			if err := os.WriteFile(path, content, 0o666); err != nil {
				t.Fatal(err)
			}
			c, err := pipeline.Init(spec, settings, 0, path, onRef)
			if err != nil {
				return nil, err
			}
			var out bytes.Buffer
			err = pipeline.Export(c, &out)
			return out.Bytes(), err
		}
		first, err := export(file)
		if err != nil {
			return
		}
		again, err := export(first)
		if err != nil || !bytes.Equal(first, again) {
			t.Errorf("exported, it is read as something else: %v", err)
		}
	})
}
