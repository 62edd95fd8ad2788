package wire_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// What this package writes, pyarrow reads, with tensors as tensors; what pyarrow makes of it, this package reads.
func TestPyarrowReadsAndWritesTheSame(t *testing.T) {
	if err := exec.Command("python3", "-c", "import numpy, pyarrow").Run(); err != nil {
		t.Skipf("needs python3 with numpy and pyarrow: %v", err)
	}
	folder := t.TempDir()
	for name, content := range map[string][]byte{
		"samples": sampleStream(t, 3), "tensors": tensorStream(t, 3, tensor.Float32), "checkpoint": encoded(t),
		"trace": traceStream(t),
	} {
		check(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	if out, err := exec.Command("python3", filepath.Join("testdata", "pyarrow_reads.py"), folder).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	again := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(folder, name+".out"))
		check(t, err)
		return b
	}
	wants(t, readSamples(bytes.NewReader(again("samples")), wire.Limits{}), io.EOF)
	wants(t, readTensors(bytes.NewReader(again("tensors")), wire.Limits{}), io.EOF)
	c, err := wire.ReadCheckpoint(filepath.Join(folder, "checkpoint.out"), wire.Limits{})
	check(t, err)
	sameSet(t, &c.Set, &checkpoint().Set)
}
