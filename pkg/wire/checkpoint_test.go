package wire_test

import (
	"path/filepath"
	"testing"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

func checkpoint() *wire.Checkpoint {
	return &wire.Checkpoint{Header: paramHeader, DType: tensor.Float64, Set: *paramSet(7, tensor.Float64)}
}

func TestCheckpointRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ck.arrow")
	for range 2 {
		check(t, checkpoint().Save(path))
		got, err := wire.ReadCheckpoint(path, wire.Limits{})
		check(t, err)
		if got.DType != tensor.Float64 || got.Extra["lr"] != "0.1" {
			t.Errorf("%s %v", got.DType, got.Extra)
		}
		sameSet(t, &got.Set, &checkpoint().Set)
	}
}
