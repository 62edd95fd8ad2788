package dataset_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/dataset"
	"odepipe/pkg/tensor"
	"odepipe/pkg/testkit"
)

// Three cases of two channels and of classes b and a: one is missing a value, one is short. The comment's last bytes
// are no UTF-8.
const (
	tsTrain = "#made by hand \xe9\xff\r\n" +
		"\r\n@PROBLEMNAME Small\r\n@classlabel True b a\r\n@dimensions 2\r\n@timestamps FALSE\r\n@Missing true\r\n@equalLength false\r\n@data\r\n" +
		"1,2,3:10,?,30:a\r\n5, 5:50,NaN:b\r\n"
	tsTest   = "@dimensions 2\n@classLabel true b a\n@data\n3,4,3,3:30,30,30,30:b"
	arffHead = "% made by hand \xe9\n@RELATION 'Small'\n@attribute relationalAtt relational\n" +
		"  @attribute att0 numeric\n  @attribute att1 numeric\n  @attribute att2 numeric\n  @attribute att3 numeric\n@end relationalAtt\n" +
		"@attribute 'the class' {b,'a'}\n@data\n"
	arffTrain = arffHead + `'1,2,3,?\n10,?,30,?',a` + "\n" + `"5,5,?,NaN\n50,?,?,?\n",b` + "\n"
	arffTest  = arffHead + `'3,4,3,3\n30,30,30,30',b`
)

// uea writes the two files of a set and loads a split.
func uea(t *testing.T, set, split string, seed uint64, files map[string][]byte) (*dataset.Set, error) {
	t.Helper()
	return dataset.Load(set, dataset.Request{Folder: write(t, files), Split: split, SplitSeed: seed})
}

func TestSeriesInEitherFormatAndEveryPlace(t *testing.T) {
	const name = "BasicMotions"
	// Of the training file channel 0 has 1 2 3 5 5, of mean 3.2 and variance 2.56; channel 1 has 10 30 50.
	s := func(v float64) float64 { return float64(float32((v - 3.2) / 1.6)) }
	c := func(v float64) float64 { return float64(float32((v - 30) / math.Sqrt(800./3))) }
	nan := math.NaN()
	wantTrain := []float64{s(1), c(10), s(2), nan, s(3), c(30), 0, 0, s(5), c(50), s(5), nan, 0, 0, 0, 0}
	wantTest := []float64{s(3), c(30), s(4), c(30), s(3), c(30), s(3), c(30)}
	for place, files := range map[string]map[string][]byte{
		".ts below uea":   {"uea/" + name + "/" + name + "_TRAIN.ts": []byte(tsTrain), "uea/" + name + "/" + name + "_TEST.ts": []byte(tsTest)},
		".ts, packed":     {name + "/" + name + "_TRAIN.ts.gz": zipped(t, []byte(tsTrain)), name + "/" + name + "_TEST.ts": []byte(tsTest)},
		".arff":           {name + "_TRAIN.arff": []byte(arffTrain), name + "_TEST.arff": []byte(arffTest)},
		".arff, packed":   {name + "_TRAIN.arff": []byte(arffTrain), name + "/" + name + "_TEST.arff.gz": zipped(t, []byte(arffTest))},
		"one of each":     {name + "_TRAIN.ts": []byte("\xef\xbb\xbf" + tsTrain), name + "_TEST.arff": []byte(arffTest)},
		"comments inside": {name + "_TRAIN.ts": []byte(strings.ReplaceAll(tsTrain, "5, 5:", "\n# x\n5, 5:")), name + "_TEST.ts": []byte(tsTest)},
	} {
		train, err := uea(t, "basicmotions", "original:train", 0, files)
		if err != nil {
			t.Errorf("%s: %v", place, err)
			continue
		}
		test, err := uea(t, "basicmotions", "original:test", 0, files)
		if err != nil {
			t.Errorf("%s: %v", place, err)
			continue
		}
		if x := &train.Columns[0]; x.Name != "x" || x.Shape != tensor.Of(4, 2) || x.DType() != tensor.Float32 || train.Split != "original:train" {
			t.Errorf("%s: %s of %v %s, split %s", place, x.Name, x.Shape, x.DType(), train.Split)
		}
		checkMissing(t, place+", train", gathered(train, &train.Columns[0]), wantTrain)
		checkMissing(t, place+", test", gathered(test, &test.Columns[0]), wantTest)
		if l, y := train.Columns[1], train.Columns[2]; l.Name != "length" || y.Name != "y" || !slices.Equal(l.Ints, []int32{3, 2}) || !slices.Equal(y.Ints, []int32{1, 0}) {
			t.Errorf("%s: lengths %d, classes %d", place, l.Ints, y.Ints)
		}
		if l, y := test.Columns[1], test.Columns[2]; !slices.Equal(l.Ints, []int32{4}) || !slices.Equal(y.Ints, []int32{0}) {
			t.Errorf("%s: lengths %d, classes %d of test", place, l.Ints, y.Ints)
		}
	}
}

// checkMissing compares numbers of which some must be NaN.
func checkMissing(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if math.IsNaN(want[i]) != math.IsNaN(got[i]) || !math.IsNaN(want[i]) && !(math.Abs(got[i]-want[i]) <= 1e-6) {
			t.Errorf("%s: element %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

func TestSeriesDamaged(t *testing.T) {
	head := "@dimensions 2\n@classLabel true b a\n@data\n"
	for _, test := range []struct {
		name, ending, text string
		want               error
		says               string
	}{
		{"empty", ".ts", "", dataset.ErrFormat, "there is no @data"},
		{"a header alone", ".ts", head, dataset.ErrSize, "there are no series"},
		{"time stamps in the header", ".ts", "@timestamps true\n", dataset.ErrFormat, "line 1: @timestamps: dataset: wrong format: time stamps are not read"},
		{"time stamps in the data", ".ts", head + "(0,1),(1,2):(0,1):a", dataset.ErrFormat, "line 4: dataset: wrong format: time stamps are not read"},
		{"no classes", ".ts", "@classLabel false\n@data\n", dataset.ErrFormat, "line 2: dataset: wrong format: no classes before @data"},
		{"targets", ".ts", "@targetLabel true\n@data\n", dataset.ErrFormat, "no classes"},
		{"a class named twice", ".ts", "@classLabel true a b a\n", dataset.ErrFormat, `class "a" is named twice`},
		{"data before @data", ".ts", "1,2:a\n", dataset.ErrFormat, "line 1: dataset: wrong format: it stands before @data"},
		{"a lonely @", ".ts", "@\n", dataset.ErrFormat, "an @ without a name"},
		{"dimensions of no number", ".ts", "@dimensions two\n", dataset.ErrFormat, "@dimensions: dataset: wrong format: \"two\" is no whole"},
		{"an unknown class", ".ts", head + "1:2:c", dataset.ErrLabel, `line 4: dataset: label out of range: class "c" is not in the header`},
		{"cut before the class", ".ts", head + "1:2", dataset.ErrShape, "1 channels, expected 2"},
		{"cut in the first channel", ".ts", head + "1,2", dataset.ErrFormat, "no colon"},
		{"one channel and the header's one", ".ts", "@univariate true\n@classLabel true a\n@data\n1:2:a", dataset.ErrShape, "2 channels, expected 1"},
		{"channels of two lengths", ".ts", head + "1,2:2:a", dataset.ErrShape, "channel 2 has 1 time points, expected 2"},
		{"another length than the header's", ".ts", "@equallength true\n@serieslength 3\n" + head + "1,2:2,3:a", dataset.ErrShape, "channel 1 has 2 time points, expected 3"},
		{"a word", ".ts", head + "1,x:2,3:a", dataset.ErrFormat, `channel 1: dataset: wrong format: value 2: "x" is no number`},
		{"an empty value", ".ts", head + "1,:2,3:a", dataset.ErrFormat, `value 2: "" is no number`},
		{"infinity", ".ts", head + "1,2:-inf,3:a", dataset.ErrNonFinite, "channel 2: dataset: value is not finite: value 1: -inf"},
		{"too large for a double", ".ts", head + "1,1e999:1,3:a", dataset.ErrNonFinite, "value 2: 1e999"},
		{"nothing but missing values", ".ts", head + "?,?:NaN,?:a", dataset.ErrFormat, "a series without a value"},
		{"other channels than the test file", ".ts", "@classLabel true b a\n@data\n1:a", dataset.ErrShape, "1 channels"},
		{"other classes than the test file", ".ts", "@classLabel true a b\n@data\n1:2:a", dataset.ErrLabel, "different classes"},
		{"empty", ".arff", "", dataset.ErrFormat, "there is no @data"},
		{"a header alone", ".arff", arffHead, dataset.ErrSize, "there are no series"},
		{"no relational attribute", ".arff", "@relation a\n@attribute v numeric\n", dataset.ErrFormat, `line 2: dataset: wrong format: attribute "v"; one relational`},
		{"data too early", ".arff", "@relation a\n@data\n", dataset.ErrFormat, "must stand before @data"},
		{"no .arff", ".arff", "hello\n", dataset.ErrFormat, "\"hello\" is no part of an .arff header"},
		{"no quote", ".arff", arffHead + "1,2,3,4,a", dataset.ErrFormat, "begins with a quote"},
		{"cut in the values", ".arff", arffHead + `'1,2,3,4\n1,2`, dataset.ErrFormat, "no quote and comma"},
		{"fewer points than attributes", ".arff", arffHead + `'1,2\n1,2',a`, dataset.ErrShape, "channel 1 has 2 time points, expected 4"},
		{"an unknown class", ".arff", arffHead + `'1,2,3,4',A`, dataset.ErrLabel, `class "A"`},
	} {
		_, err := uea(t, "basicmotions", "original", 0, map[string][]byte{
			"BasicMotions_TRAIN" + test.ending: []byte(test.text), "BasicMotions_TEST.ts": []byte(tsTest),
		})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "BasicMotions_TRAIN"+test.ending) {
			t.Errorf("%s, %s: error is %v", test.name, test.ending, err)
		}
	}
	_, err := uea(t, "artwr", "test", 0, nil)
	if !errors.Is(err, dataset.ErrMissing) || !strings.Contains(err.Error(), "neither ArticularyWordRecognition_TRAIN.ts nor ArticularyWordRecognition_TRAIN.ts.gz nor ") {
		t.Errorf("no files: %v", err)
	}
	_, err = uea(t, "basicmotions", "val", 0, map[string][]byte{"BasicMotions_TRAIN.ts": []byte(tsTrain), "BasicMotions_TEST.ts": []byte(tsTest)})
	if !errors.Is(err, dataset.ErrSplit) || !strings.Contains(err.Error(), "3 series of 2 classes are too few for a split paper:val") {
		t.Errorf("a split without rows: %v", err)
	}
}

// numbered is a pair of files of series of one point, by class, whose value is the number of the row in both files
// together; class c has c + 7 rows.
func numbered(classes int) map[string][]byte {
	head := "@classLabel true"
	for c := range classes {
		head += fmt.Sprintf(" %d", c)
	}
	train, test := head+"\n@data\n", head+"\n@data\n"
	n := 0
	for c := range classes {
		for i := range c + 7 {
			line := fmt.Sprintf("%d:%d\n", n, c)
			if n++; i%3 == 0 {
				test += line
			} else {
				train += line
			}
		}
	}
	return map[string][]byte{"BasicMotions_TRAIN.ts": []byte(train), "BasicMotions_TEST.ts": []byte(test)}
}

// ranks gives the numbers of numbered's rows back: standardised by the same values they keep their order.
func ranks(parts ...[]float64) []int {
	all := slices.Sorted(slices.Values(slices.Concat(parts...)))
	var out []int
	for _, v := range parts[0] {
		i, _ := slices.BinarySearch(all, v)
		out = append(out, i)
	}
	return out
}

func TestSplitsByThePaperAreDisjointAndStratified(t *testing.T) {
	const classes = 20
	files := numbered(classes)
	total := (7 + 7 + classes - 1) * classes / 2
	var first []float64
	for _, seed := range []uint64{0, 1} {
		seen := map[float64]string{}
		for _, part := range []string{"train", "val", "test"} {
			set, err := uea(t, "basicmotions", "paper:"+part, seed, files)
			if err != nil {
				t.Fatal(err)
			}
			share := map[string]float64{"train": 0.7, "val": 0.15, "test": 0.15}[part]
			count := make([]int, classes)
			values := gathered(set, &set.Columns[0])
			for i, v := range values {
				if seen[v] != "" {
					t.Errorf("seed %d: a row of %s is in %s too", seed, part, seen[v])
				}
				seen[v] = part
				count[set.Columns[2].Ints[i]]++
			}
			for c, n := range count {
				if want := share * float64(c+7); !(math.Abs(float64(n)-want) <= 1.2) || n == 0 {
					t.Errorf("seed %d: %s has %d rows of class %d, of %d", seed, part, n, c, c+7)
				}
			}
			if want := fmt.Sprintf("paper:%s:%d", part, seed); set.Split != want || !(math.Abs(float64(set.Rows)-share*float64(total)) <= 2) {
				t.Errorf("%s has %d rows, want the split %s", set.Split, set.Rows, want)
			}
			if part == "train" {
				// Standardised with the rows of this part alone.
				testkit.Close(t, "mean and variance", meanAndVariance(values), []float64{0, 1}, 1e-5, 0)
				if slices.Equal(values, first) {
					t.Error("another seed gives the same rows")
				}
				first = values
			}
		}
		if len(seen) != total {
			t.Errorf("seed %d: the parts have %d rows of %d", seed, len(seen), total)
		}
	}
}

func meanAndVariance(values []float64) []float64 {
	sum, squares := 0.0, 0.0
	for _, v := range values {
		sum, squares = sum+v, squares+v*v
	}
	n := float64(len(values))
	return []float64{sum / n, squares/n - sum*sum/n/n}
}

// The rows of a split are part of what a seed means, and do not depend on the seed of the order.
func TestSplitByThePaperStaysWhatItIs(t *testing.T) {
	folder := write(t, numbered(3))
	var parts [][]float64
	for _, part := range []string{"val", "test", "train"} {
		set, err := dataset.Load("basicmotions", dataset.Request{Folder: folder, Split: part, Seed: uint64(len(parts))})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, gathered(set, &set.Columns[0]))
	}
	if got := ranks(parts...); !slices.Equal(got, []int{4, 12, 17, 23}) {
		t.Errorf("rows of val are %v", got)
	}
}

func TestNamesOfSplits(t *testing.T) {
	series, err := dataset.Find("artwr")
	if err != nil {
		t.Fatal(err)
	}
	digits, err := dataset.Find("mnist")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		entry      dataset.Entry
		name, want string // none: there is no such split
	}{
		{series, "train", "paper:train"},
		{series, "val", "paper:val"},
		{series, "paper", "paper:train"},
		{series, "original", "original:train"},
		{series, "original:test", "original:test"},
		{series, "original:val", ""},
		{series, "extra", ""},
		{series, "", ""},
		{series, "paper:", ""},
		{digits, "train", "train"},
		{digits, "original", "train"},
		{digits, "original:test", "test"},
		{digits, "paper:test", ""},
		{digits, "val", ""},
	} {
		got, err := test.entry.Split(test.name)
		if got != test.want || (test.want == "") != errors.Is(err, dataset.ErrSplit) {
			t.Errorf("%s, split %q: %q, %v", test.entry.Name, test.name, got, err)
		}
	}
}

func TestRealSeries(t *testing.T) {
	shared := filepath.Join(testkit.Root(t), "..", "shared", "data", "uea")
	for _, test := range []struct {
		set, name                string
		train, test              int
		points, channels         int
		classes                  int
		shortest                 int32
		paperTrain, paperHeldOut int
	}{
		{"artwr", "ArticularyWordRecognition", 275, 300, 144, 9, 25, 144, 403, 172},
		{"chart", "CharacterTrajectories", 958, 471, 182, 3, 20, 61, 1001, 428},
		{"japanesevowels", "JapaneseVowels", 270, 370, 29, 12, 9, 7, 448, 192},
		{"basicmotions", "BasicMotions", 40, 40, 100, 6, 4, 100, 56, 24},
	} {
		files := map[string][]byte{}
		for _, half := range []string{"_TRAIN", "_TEST"} {
			packed := filepath.Join(shared, test.name, test.name+half+".ts.xz")
			if _, err := os.Stat(packed); err != nil {
				t.Skip("the original files are not in ../shared/data")
			}
			content, err := exec.Command("xz", "-dc", packed).Output()
			if err != nil {
				t.Skipf("needs xz: %v", err)
			}
			files[test.name+half+".ts"] = content
		}
		folder := write(t, files)
		rows := map[string]int{}
		for _, split := range []string{"original:train", "original:test", "train", "val", "test"} {
			set, err := dataset.Load(test.set, dataset.Request{Folder: folder, Split: split})
			if err != nil {
				t.Fatal(err)
			}
			rows[split] = set.Rows
			length, y := set.Columns[1].Ints, set.Columns[2].Ints
			if set.Columns[0].Shape != tensor.Of(test.points, test.channels) || slices.Min(length) < test.shortest || int(slices.Max(length)) > test.points {
				t.Errorf("%s %s: x %v, lengths %d to %d", test.set, split, set.Columns[0].Shape, slices.Min(length), slices.Max(length))
			}
			slices.Sort(y)
			if classes := slices.Compact(y); len(classes) != test.classes {
				t.Errorf("%s %s: classes %d", test.set, split, classes)
			}
		}
		if rows["original:train"] != test.train || rows["original:test"] != test.test || rows["train"] != test.paperTrain || rows["val"]+rows["test"] != test.paperHeldOut {
			t.Errorf("%s: rows %v", test.set, rows)
		}
	}
}
