package wire_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

func TestAFIFOThatNobodyOpens(t *testing.T) {
	path := fifo(t, "params")
	p, err := wire.OpenParams(path, wire.Limits{Opening: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := path + ": no program has opened it for writing within 1ms: "
	if _, _, err := p.Header(); !errors.Is(err, wire.ErrNobody) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, expected %s", err, want)
	}
	if _, err := p.Next(); !errors.Is(err, wire.ErrNobody) {
		t.Errorf("the parameters: %v", err)
	}
}

// TestAFIFOThatIsOpenedLate has a writer that comes after its reader, within the time that a FIFO may have no writer.
func TestAFIFOThatIsOpenedLate(t *testing.T) {
	path := fifo(t, "params")
	p, err := wire.OpenParams(path, wire.Limits{Opening: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer f.Close()
		f.Write(tensorStream(t, 3, tensor.Float32))
	}()
	if _, err := p.Next(); errors.Is(err, wire.ErrNobody) {
		t.Error(err)
	}
}
