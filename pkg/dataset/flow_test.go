package dataset_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// flow loads the rows of a split, row-major.
func flow(t *testing.T, set, split, folder string) []float64 {
	t.Helper()
	s, err := dataset.Load(set, dataset.Request{Folder: folder, Split: split})
	if err != nil {
		t.Fatal(err)
	}
	x := &s.Columns[0]
	if len(s.Columns) != 1 || x.Name != "x" || x.DType() != tensor.Float32 || s.Rows*x.Shape.Size() != x.Values.Len() {
		t.Fatalf("%s %s: %d columns, %d rows of %s %v %s", set, split, len(s.Columns), s.Rows, x.Name, x.Shape, x.DType())
	}
	return gathered(s, x)
}

func TestPreprocessedFlows(t *testing.T) {
	row := func(n int) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = float64(i) / 4
		}
		return out
	}
	for set, d := range map[string]int{"miniboone": 43, "gas": 8, "power": 6, "hepmass": 21, "bsds300": 63} {
		shape := fmt.Sprintf("2, %d", d)
		single := make([]float32, 2*d)
		single[1] = 7
		folder := write(t, map[string][]byte{
			set + "/train.npy":  npy(t, 1, "<f8", shape, row(2*d)),
			set + "/val.npy.gz": zipped(t, npy(t, 1, "<f4", shape, single)),
			"test.npy":          npy(t, 1, "<f8", fmt.Sprintf("1, %d", d), row(d)),
		})
		if got := flow(t, set, "train", folder); !slices.Equal(got, row(2*d)) {
			t.Errorf("%s: %v", set, got)
		}
		if got := flow(t, set, "val", folder); got[1] != 7 || len(got) != 2*d {
			t.Errorf("%s: %v", set, got)
		}
		if got := flow(t, set, "test", folder); !slices.Equal(got, row(d)) {
			t.Errorf("%s: %v", set, got)
		}
	}
}

func TestPreprocessedFlowsDamaged(t *testing.T) {
	eight := []float64{1, 2, 3, 4, 5, 6, 7, math.NaN()}
	for _, test := range []struct {
		name  string
		bytes []byte
		want  error
		says  string
	}{
		{"another width", npy(t, 1, "<f8", "2, 4", eight), dataset.ErrShape, "[2 4]; expected floats [N, 8]"},
		{"one dimension", npy(t, 1, "<f8", "8,", eight), dataset.ErrShape, "expected floats [N, 8]"},
		{"no rows", npy(t, 1, "<f8", "0, 8", []float64{}), dataset.ErrShape, "expected floats [N, 8]"},
		{"whole numbers", npy(t, 1, "<i4", "1, 8", make([]int32, 8)), dataset.ErrShape, "expected floats [N, 8]"},
		{"not a number", npy(t, 1, "<f8", "1, 8", eight), dataset.ErrNonFinite, "row 0, column 7"},
		{"cut", npy(t, 1, "<f8", "1, 8", eight[:7]), dataset.ErrSize, "found"},
	} {
		_, err := dataset.Load("gas", dataset.Request{Folder: write(t, map[string][]byte{"gas/val.npy": test.bytes}), Split: "val"})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "val.npy: ") {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
	_, err := dataset.Load("gas", dataset.Request{Folder: t.TempDir(), Split: "train"})
	if !errors.Is(err, dataset.ErrMissing) || !strings.Contains(err.Error(), "neither train.npy nor train.npy.gz nor ethylene_CO.txt nor ethylene_CO.txt.gz in ") {
		t.Errorf("no files: %v", err)
	}
}

// numbersOf draws numbers of a normal distribution, with four digits behind the point as a text has them.
func numbersOf(seed uint64, n int) []float64 {
	out := testkit.Normal(seed, n)
	for i, v := range out {
		out[i] = math.Round(v*1e4) / 1e4
	}
	return out
}

// text writes columns of so many rows, between blanks.
func text(columns [][]float64, rows int) string {
	var b strings.Builder
	for i := range rows {
		for _, column := range columns {
			fmt.Fprintf(&b, "   %.4f", column[i])
		}
		b.WriteString(" \r\n")
	}
	return b.String()
}

// standardised is the column by the mean and deviation of its first rows, their squares divided by their number less
// some.
func standardised(column []float64, first int, less float64) []float64 {
	mean, squares := 0.0, 0.0
	for _, v := range column[:first] {
		mean += v / float64(first)
	}
	for _, v := range column[:first] {
		squares += (v - mean) * (v - mean)
	}
	out := make([]float64, len(column))
	for i, v := range column {
		out[i] = (v - mean) / math.Sqrt(squares/(float64(first)-less))
	}
	return out
}

// Columns 3, 10, 11, 20, 30, 40 and 49 have their smallest value six times; column 5 has it five times, and column 6 a
// larger value often.
func TestMiniBooNEFromTheOriginalText(t *testing.T) {
	const signal, background = 63, 10
	dropped := []int{3, 10, 11, 20, 30, 40, 49}
	columns := make([][]float64, 50)
	var kept [][]float64
	for j := range columns {
		columns[j] = numbersOf(uint64(j+1), signal+background)
		repeats := 0
		if slices.Contains(dropped, j) {
			repeats = 6
		} else if j == 5 {
			repeats = 5
		}
		for i := range repeats {
			columns[j][2+7*i] = -20
		}
		if j == 6 {
			for i := range 30 {
				columns[j][2*i] = 20
			}
		}
	}
	// Outliers, by the first column alone; a signal event of -100 is none, and background events do not count.
	columns[0][0], columns[0][17], columns[0][62], columns[0][1], columns[0][70] = -999, -100.5, -999, -100, -999
	columns[1][5] = -999
	for j, column := range columns {
		if !slices.Contains(dropped, j) {
			column = slices.Clone(column[:signal])
			kept = append(kept, slices.Delete(slices.Delete(column[:62], 17, 18), 0, 1))
		}
	}
	folder := write(t, map[string][]byte{"miniboone/MiniBooNE_PID.txt": fmt.Appendf(nil, " %d %d\n%s", signal, background, text(columns, signal+background))})
	table := make([]float64, 0, 60*43)
	for i := range 60 {
		for _, column := range kept {
			table = append(table, column[i])
		}
	}
	again := write(t, map[string][]byte{"miniboone/data.npy": npy(t, 1, "<f8", "60, 43", table)})
	for _, part := range []struct {
		split  string
		lo, hi int
	}{{"train", 0, 49}, {"val", 49, 54}, {"test", 54, 60}} {
		var want []float64
		for i := part.lo; i < part.hi; i++ {
			for _, column := range kept {
				want = append(want, standardised(column, 54, 0)[i])
			}
		}
		testkit.Close(t, "text, "+part.split, flow(t, "miniboone", part.split, folder), want, 1e-6, 1e-6)
		testkit.Close(t, "data.npy, "+part.split, flow(t, "miniboone", part.split, again), want, 1e-6, 1e-6)
	}
}

func TestMiniBooNEDamaged(t *testing.T) {
	event := strings.Repeat(" 1", 50) + "\n"
	for _, test := range []struct {
		name, text string
		want       error
		says       string
	}{
		{"empty", "", dataset.ErrSize, "it is empty"},
		{"no counts", event, dataset.ErrFormat, "line 1: dataset: wrong format: \"1 1 1"},
		{"cut between events", "2 1\n" + event + event, dataset.ErrSize, "2 events, expected 3 by the first line"},
		{"cut inside an event", "2 1\n" + event + event[:50], dataset.ErrShape, "line 3: dataset: wrong shape: 25 columns, expected 50"},
		{"a word", "1 0\nx" + event, dataset.ErrShape, "51 columns"},
		{"a word instead of a number", "1 0\nx " + event[2:], dataset.ErrFormat, "line 2: dataset: wrong format: column 1: \"x\" is no number"},
		{"not a number", "1 0\nNaN " + event[2:], dataset.ErrNonFinite, "column 1: NaN"},
		{"background alone", "0 1\n" + event, dataset.ErrShape, "no signal events"},
		{"too few columns are left", "9 0\n" + strings.Repeat(event, 9), dataset.ErrShape, "leaves 0 columns, expected 43"},
	} {
		_, err := dataset.Load("miniboone", dataset.Request{Folder: write(t, map[string][]byte{"MiniBooNE_PID.txt": []byte(test.text)}), Split: "train"})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "MiniBooNE_PID.txt: ") {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
}

// Of 16 sensors 0, 1 and 2 go together, and 5 pairs more, so that the last of each stays; 14 goes against 15, and both
// stay.
func TestGasFromTheOriginalText(t *testing.T) {
	const readings = 402
	columns := make([][]float64, 19)
	for j := range columns {
		columns[j] = numbersOf(uint64(100+j), readings)
	}
	sensors := columns[3:]
	for i := range readings {
		for _, pair := range [][2]int{{0, 2}, {1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}, {11, 12}} {
			sensors[pair[0]][i] = 5 + 2*sensors[pair[1]][i] + 0.001*sensors[pair[0]][i]
		}
		sensors[15][i] = 7 - sensors[14][i]
	}
	head := "Time (seconds), CO conc (ppm), Ethylene conc (ppm), sensor readings (16 channels)\r\n"
	folder := write(t, map[string][]byte{"gas/ethylene_CO.txt": []byte(head + text(columns, readings))})
	want := map[string]int{"train": 82, "val": 9, "test": 10} // of 101, a quarter, rounded
	// Sensors 2, 4, 6, 8, 10, 12, 13, 14 and 15 would be nine: too many.
	_, err := dataset.Load("gas", dataset.Request{Folder: folder, Split: "train"})
	if !errors.Is(err, dataset.ErrShape) || !strings.Contains(err.Error(), "leaves 9 columns, expected 8") {
		t.Errorf("nine columns: %v", err)
	}
	copy(sensors[13], sensors[12])
	folder = write(t, map[string][]byte{"gas/ethylene_CO.txt.gz": zipped(t, []byte(head+text(columns, readings)))})
	seen := map[float64]bool{}
	var second []float64
	for _, part := range []string{"train", "val", "test"} {
		x := flow(t, "gas", part, folder)
		if len(x) != 8*want[part] {
			t.Errorf("%s has %d rows, want %d", part, len(x)/8, want[part])
		}
		for i := 0; i < len(x); i += 8 {
			if seen[x[i]] {
				t.Errorf("a row of %s is there twice", part)
			}
			seen[x[i]] = true
			second = append(second, x[i+1])
			if !(math.Abs(x[i+6]+x[i+7]) <= 1e-5) {
				t.Errorf("the columns of a row are of two readings: %g and %g", x[i+6], x[i+7])
			}
		}
	}
	again := standardised(second, len(second), 1)
	testkit.Close(t, "a column of all splits", second, again, 1e-6, 0)
	// Rows are drawn in random order: not every reading's follower is its follower in the file.
	if slices.IsSorted(second) || len(second) != 101 {
		t.Errorf("%d rows", len(second))
	}
}

func TestGasDamaged(t *testing.T) {
	reading := strings.Repeat(" 1", 19) + "\n"
	for _, test := range []struct {
		name, text string
		want       error
		says       string
	}{
		{"empty", "", dataset.ErrSize, "0 readings are too few"},
		{"a header alone", "Time\n", dataset.ErrSize, "0 readings are too few"},
		{"a column less", "Time\n" + strings.Repeat(reading[2:], 40), dataset.ErrShape, "18 columns, expected 19"},
		{"constant sensors", "Time\n" + strings.Repeat(reading, 40), dataset.ErrShape, "leaves 16 columns, expected 8"},
	} {
		_, err := dataset.Load("gas", dataset.Request{Folder: write(t, map[string][]byte{"ethylene_CO.txt": []byte(test.text)}), Split: "train"})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "ethylene_CO.txt: ") {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
}

func TestRealMiniBooNE(t *testing.T) {
	folder := filepath.Join(testkit.Root(t), "..", "shared", "data")
	if _, err := os.Stat(filepath.Join(folder, "miniboone")); err != nil {
		t.Skip("the original files are not in ../shared/data")
	}
	for split, rows := range map[string]int{"val": 3284, "test": 3648} {
		x := flow(t, "miniboone", split, folder)
		moments := meanAndVariance(x)
		if len(x) != rows*43 || !(math.Abs(moments[0]) <= 0.02) || !(math.Abs(moments[1]-1) <= 0.1) {
			t.Errorf("%s: %d numbers of mean and variance %g", split, len(x), moments)
		}
	}
	_, err := dataset.Load("miniboone", dataset.Request{Folder: folder, Split: "train"})
	if !errors.Is(err, dataset.ErrMissing) || !strings.Contains(err.Error(), "neither train.npy nor ") {
		t.Errorf("train: %v", err)
	}
}
