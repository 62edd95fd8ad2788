package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// readSamples reads a sample stream to its end and returns what stopped it, io.EOF for a whole one.
func readSamples(r io.Reader, l wire.Limits) error {
	reader := wire.NewSampleReader(r, l)
	var s wire.Samples
	for {
		if err := reader.Next(&s); err != nil {
			return err
		}
	}
}

// readTensors does the same with a tensor stream.
func readTensors(r io.Reader, l wire.Limits) error {
	reader := wire.NewTensorReader(r, l)
	var s wire.Set
	for {
		if err := reader.Next(&s); err != nil {
			return err
		}
	}
}

// readFile reads a checkpoint; io.EOF stands for success.
func readFile(b []byte) error {
	if _, err := wire.DecodeCheckpoint(bytes.NewReader(b), int64(len(b)), wire.Limits{}); err != nil {
		return err
	}
	return io.EOF
}

func encoded(t testing.TB) []byte {
	var out bytes.Buffer
	check(t, checkpoint().Encode(&out))
	return out.Bytes()
}

// formats are whole inputs with their readers.
func formats(t testing.TB) []format {
	samples := func(b []byte) error { return readSamples(bytes.NewReader(b), wire.Limits{}) }
	tensors := func(b []byte) error { return readTensors(bytes.NewReader(b), wire.Limits{}) }
	return []format{
		{"samples", sampleStream(t, 3), samples},
		{"float32 tensors", tensorStream(t, 3, tensor.Float32), tensors},
		{"float64 tensors", tensorStream(t, 3, tensor.Float64), tensors},
		{"checkpoint", encoded(t), readFile},
	}
}

type format struct {
	name  string
	bytes []byte
	read  func([]byte) error
}

// sentinels are what a reader may say about bytes that are not right.
var sentinels = []error{
	wire.ErrEmpty, wire.ErrNotArrow, wire.ErrTruncated, wire.ErrCorrupt, wire.ErrLimit, wire.ErrChecksum,
	wire.ErrVersion, wire.ErrKind, wire.ErrTable,
}

func isSentinel(err error) bool {
	return slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) })
}

func TestEveryCutIsAnError(t *testing.T) {
	for _, f := range formats(t) {
		t.Run(f.name, func(t *testing.T) {
			wants(t, f.read(f.bytes), io.EOF)
			for n := range f.bytes {
				err := f.read(f.bytes[:n])
				if err == io.EOF || !isSentinel(err) {
					t.Fatalf("cut to %d of %d bytes: %v", n, len(f.bytes), err)
				}
				if n > 0 && n < len(f.bytes)-8 && f.name != "checkpoint" && !errors.Is(err, wire.ErrTruncated) {
					t.Fatalf("cut to %d of %d bytes: %v, want %v", n, len(f.bytes), err, wire.ErrTruncated)
				}
			}
		})
	}
}

func TestReadersThatGiveLittleAtATime(t *testing.T) {
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"a byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with the end": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, readSamples(slow(bytes.NewReader(sampleStream(t, 2))), wire.Limits{}), io.EOF)
			wants(t, readTensors(slow(bytes.NewReader(tensorStream(t, 2, tensor.Float32))), wire.Limits{}), io.EOF)
		})
	}
}

func TestErrorsOfTheSystemComeThrough(t *testing.T) {
	broken := errors.New("the disk is gone")
	whole := sampleStream(t, 3)
	for _, n := range []int{0, 4, 100, len(whole) / 2, len(whole)} {
		r := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken))
		wants(t, readSamples(r, wire.Limits{}), broken)
	}
}

func TestBadInput(t *testing.T) {
	samples, tensors := sampleStream(t, 3), tensorStream(t, 3, tensor.Float32)
	flipped := slices.Clone(tensors)
	at := bytes.LastIndex(flipped, arrow.Float32Traits.CastToBytes(ramp(tensor.Float32, 6, 2).F32))
	flipped[at+9] ^= 1
	for _, c := range []struct {
		name string
		err  error
		want error
		says string
	}{
		{"nothing", readSamples(strings.NewReader(""), wire.Limits{}), wire.ErrEmpty, ""},
		{"text", readSamples(strings.NewReader("loss=0.1\nloss=0.2\n"), wire.Limits{}), wire.ErrNotArrow, ""},
		{"short text", readTensors(strings.NewReader("x"), wire.Limits{}), wire.ErrNotArrow, ""},
		{"zeros", readTensors(bytes.NewReader(make([]byte, 100)), wire.Limits{}), wire.ErrNotArrow, ""},
		{"an end marker alone", readTensors(bytes.NewReader(samples[len(samples)-8:]), wire.Limits{}), wire.ErrCorrupt, "no schema"},
		{"a file as a stream", readTensors(bytes.NewReader(encoded(t)), wire.Limits{}), wire.ErrNotArrow, "file where a stream"},
		{"a stream as a file", readFile(tensors), wire.ErrNotArrow, "not an Arrow file"},
		{"an empty file", readFile(nil), wire.ErrEmpty, ""},
		{"a byte after the end", readSamples(bytes.NewReader(append(slices.Clone(samples), 0)), wire.Limits{}), wire.ErrCorrupt, "after the end"},
		{"two streams in a row", readSamples(bytes.NewReader(append(slices.Clone(samples), samples...)), wire.Limits{}), wire.ErrCorrupt, "after the end"},
		{"tensors as samples", readSamples(bytes.NewReader(tensors), wire.Limits{}), wire.ErrKind, `"params", expected batch or state`},
		{"samples as tensors", readTensors(bytes.NewReader(samples), wire.Limits{}), wire.ErrKind, `"batch", expected gradient or params`},
		{"a changed value", readTensors(bytes.NewReader(flipped), wire.Limits{}), wire.ErrChecksum, "batch 2: step 2: param fc.weight"},
		{"a body above the limit", readSamples(bytes.NewReader(samples), wire.Limits{Body: 100}), wire.ErrLimit, "batch 0"},
		{"metadata above the limit", readSamples(bytes.NewReader(samples), wire.Limits{Metadata: 100}), wire.ErrLimit, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			wants(t, c.err, c.want)
			if text := c.err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "\n") {
				t.Errorf("error %q, want one line with %q", text, c.says)
			}
		})
	}
}

// foreign is a sample stream as another program might write it: one column, with metadata and writer's options.
func foreign(t *testing.T, f arrow.Field, fill func(array.Builder), version string, o ...ipc.Option) []byte {
	t.Helper()
	md := arrow.NewMetadata([]string{"odepipe.version", "odepipe.stream", "pandas"}, []string{version, "batch", "{}"})
	schema := arrow.NewSchema([]arrow.Field{f}, &md)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	fill(b.Field(0))
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(o, ipc.WithSchema(schema))...)
	check(t, w.Write(b.NewRecord()))
	check(t, w.Close())
	return out.Bytes()
}

func TestOtherWritersStreams(t *testing.T) {
	floats := func(b array.Builder) { b.(*array.Float32Builder).AppendValues([]float32{1, 2, 3}, nil) }
	pairs := func(b array.Builder) {
		l := b.(*array.FixedSizeListBuilder)
		for range 3 {
			l.Append(true)
			l.ValueBuilder().(*array.Float64Builder).AppendValues([]float64{1, 2}, nil)
		}
	}
	float32s := arrow.Field{Name: "loss", Type: arrow.PrimitiveTypes.Float32, Nullable: true}
	list := arrow.Field{Name: "x", Type: arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float64), Nullable: true}
	extended := func(shape string) arrow.Field {
		f := list
		f.Metadata = arrow.NewMetadata([]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.fixed_shape_tensor", shape})
		return f
	}
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.PrimitiveTypes.Float32}
	for _, c := range []struct {
		name   string
		stream []byte
		want   error
		says   string
	}{
		{"nullable without nulls", foreign(t, float32s, floats, "1"), io.EOF, ""},
		{"a list that is no tensor", foreign(t, list, pairs, "1"), io.EOF, ""},
		{"a tensor", foreign(t, extended(`{"shape":[2,1],"permutation":[0,1]}`), pairs, "1"), io.EOF, ""},
		{"a transposed tensor", foreign(t, extended(`{"shape":[2,1],"permutation":[1,0]}`), pairs, "1"), wire.ErrTable, "permuted"},
		{"a shape of another size", foreign(t, extended(`{"shape":[3]}`), pairs, "1"), wire.ErrCorrupt, "[3]"},
		{"a shape with an overflowing size", foreign(t, extended(`{"shape":[4294967297,2]}`), pairs, "1"), wire.ErrCorrupt, ""},
		{"a shape of rank 5", foreign(t, extended(`{"shape":[2,1,1,1,1]}`), pairs, "1"), wire.ErrCorrupt, "rank"},
		{"a shape that is no JSON", foreign(t, extended(`shape`), pairs, "1"), wire.ErrCorrupt, ""},
		{"nulls", foreign(t, float32s, func(b array.Builder) { floats(b); b.AppendNull() }, "1"), wire.ErrCorrupt, "batch 0"},
		{"compression", foreign(t, float32s, floats, "1", ipc.WithZstd()), wire.ErrTable, "compressed"},
		{"version 2", foreign(t, float32s, floats, "2"), wire.ErrVersion, "stream has version 2, this program reads 1"},
		{"text", foreign(t, arrow.Field{Name: "x", Type: arrow.BinaryTypes.String}, func(b array.Builder) {
			b.(*array.StringBuilder).Append("a")
		}, "1"), wire.ErrTable, `"x"`},
		{"a dictionary", foreign(t, arrow.Field{Name: "x", Type: dictionary}, func(b array.Builder) {
			check(t, b.(*array.Float32DictionaryBuilder).Append(1))
		}, "1"), wire.ErrTable, `"x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := readSamples(bytes.NewReader(c.stream), wire.Limits{})
			wants(t, err, c.want)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q, want it to say %q", err, c.says)
			}
		})
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestLengthsThatLieAllocateLittle(t *testing.T) {
	whole := sampleStream(t, 1)
	length := uint64(bodyLength(t, whole))
	lie := slices.Clone(whole)
	at := bytes.LastIndex(lie[:len(lie)-int(length)-8], binary.LittleEndian.AppendUint64(nil, length))
	binary.LittleEndian.PutUint64(lie[at:], 8<<30)
	var err error
	if n := allocated(func() { err = readSamples(bytes.NewReader(lie), wire.Limits{}) }); n > 4<<20 {
		t.Errorf("allocated %d bytes", n)
	}
	wants(t, err, wire.ErrTruncated)

	file := encoded(t)
	at = bytes.LastIndex(file[:len(file)/2], binary.LittleEndian.AppendUint64(nil, uint64(bodySize(t, file))))
	binary.LittleEndian.PutUint64(file[at:], 8<<30)
	if n := allocated(func() { err = readFile(file) }); n > 4<<20 {
		t.Errorf("allocated %d bytes for a file", n)
	}
	wants(t, err, wire.ErrCorrupt)
}

// bodyLength is the length of the body of a stream's only batch.
func bodyLength(t *testing.T, stream []byte) int64 {
	t.Helper()
	r := ipc.NewMessageReader(bytes.NewReader(stream))
	for range 2 {
		if _, err := r.Message(); err != nil {
			t.Fatal(err)
		}
	}
	at := bytes.LastIndex(stream[:len(stream)-8], []byte{0xff, 0xff, 0xff, 0xff})
	meta := int64(binary.LittleEndian.Uint32(stream[at+4:]))
	return int64(len(stream)-8-at-8) - meta
}

func TestMutationsNeitherPanicNorAllocate(t *testing.T) {
	const runs, most = 20000, 32 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	inputs := formats(t)
	accepted := 0
	for i := range runs {
		f := inputs[i%len(inputs)]
		mutant := mutate(rng, f.bytes)
		var err error
		if n := allocated(func() { err = f.read(mutant) }); n > most {
			t.Fatalf("run %d, %s: allocated %d bytes", i, f.name, n)
		}
		switch {
		case err == io.EOF:
			accepted++
		case !isSentinel(err):
			t.Fatalf("run %d, %s: %v", i, f.name, err)
		}
	}
	t.Logf("%d of %d mutants accepted", accepted, runs)
}

// mutate changes a few bytes, or moves, drops or repeats a part.
func mutate(rng *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	interesting := []byte{0, 1, 0x7f, 0x80, 0xff}
	switch rng.IntN(8) {
	case 0:
		at, n := rng.IntN(len(b)), rng.IntN(64)
		return slices.Delete(b, at, min(len(b), at+n))
	case 1:
		at, n := rng.IntN(len(b)), rng.IntN(64)
		return slices.Insert(b, at, slices.Clone(b[at:min(len(b), at+n)])...)
	case 2:
		from, to, n := rng.IntN(len(b)), rng.IntN(len(b)), rng.IntN(64)
		copy(b[to:], slices.Clone(b[from:min(len(b), from+n)]))
	case 3:
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] = interesting[rng.IntN(len(interesting))]
		}
	default:
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	}
	return b
}
