package peek_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odepipe/pkg/peek"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// tensors is a stream of one step.
func tensors(t *testing.T, rows ...wire.Tensor) *wire.Stream {
	t.Helper()
	var out bytes.Buffer
	w := wire.NewTensorWriter(&out, wire.Header{Kind: wire.Gradient, Model: "name = \"m\"\n"}, tensor.Float64)
	if err := errors.Join(w.Write(&wire.Set{Step: 7, Tensors: rows}), w.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := wire.OpenStream(&out, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func row(name string, role wire.Role, shape []int, values ...float64) wire.Tensor {
	return wire.Tensor{Name: name, Role: role, Shape: shape, Value: tensor.Buffer{F64: values}}
}

// reported is the last line of a report.
func reported(t *testing.T, s *wire.Stream, o peek.Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := peek.Report(s, &out, o); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	return lines[len(lines)-1]
}

func TestStatisticsOfKnownNumbers(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		values []float64
		want   string
	}{
		"a ramp":                    {[]float64{0, 1, 2, 3}, "  w  grad  4  0  1.5  3  3.7417  0  ▁▃▆█"},
		"NaN is left out":           {[]float64{3, nan, 4}, "  w  grad  3  3  3.5  4  5  1  ▁×█"},
		"nothing but NaN":           {[]float64{nan}, "  w  grad  1  -  -  -  0  1  ×"},
		"equal values":              {[]float64{2, 2}, "  w  grad  2  2  2  2  2.8284  0  ▄▄"},
		"infinity":                  {[]float64{1, math.Inf(1)}, "  w  grad  2  1  +Inf  +Inf  +Inf  0  ▄×"},
		"a range beyond the number": {[]float64{-1.7e308, 1.7e308}, "  w  grad  2  -1.7e+308  0  1.7e+308  +Inf  0  ▁█"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tensors(t, row("w", wire.Grad, []int{len(c.values)}, c.values...))
			got := strings.Join(strings.Fields(reported(t, s, peek.Options{Filter: peek.Everything, Format: "text"})), " ")
			if want := strings.Join(strings.Fields(c.want), " "); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestSpectrumOfAFactor(t *testing.T) {
	for name, c := range map[string]struct {
		matrix          []float64
		condition, rank float64
	}{
		"diagonal":     {[]float64{4, 0, 0, 1}, 4, 2},
		"coupled":      {[]float64{2, 1, 1, 2}, 3, 2},
		"of rank one":  {[]float64{1, 0, 0, 0}, -1, 1},
		"zero":         {[]float64{0, 0, 0, 0}, -1, 0},
		"barely there": {[]float64{1, 0, 0, 1e-9}, 1e9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			line := reported(t, tensors(t, row("l", wire.KronA, []int{2, 2}, c.matrix...)),
				peek.Options{Filter: peek.Everything, Format: "json", Spectrum: true, Threads: 1})
			var got struct {
				Spectrum struct {
					Condition *float64
					Rank      float64
				}
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			condition := -1.0 // null: infinite
			if got.Spectrum.Condition != nil {
				condition = *got.Spectrum.Condition
			}
			if !(math.Abs(condition-c.condition) <= 1e-12*math.Abs(c.condition)) || got.Spectrum.Rank != c.rank {
				t.Errorf("condition %g, rank %g, want %g and %g", condition, got.Spectrum.Rank, c.condition, c.rank)
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for name, c := range map[string]struct {
		a, b    []float64
		tol     float64
		differs bool
	}{
		"the same":                 {[]float64{1, nan, inf}, []float64{1, nan, inf}, 0, false},
		"a last digit":             {[]float64{1}, []float64{math.Nextafter(1, 2)}, 0, true},
		"within the tolerance":     {[]float64{1000}, []float64{1000.5}, 1e-3, false},
		"beyond the tolerance":     {[]float64{1000}, []float64{1002}, 1e-3, true},
		"NaN on one side":          {[]float64{1}, []float64{nan}, 1, true},
		"infinities that disagree": {[]float64{inf}, []float64{-inf}, 1, true},
		"another shape":            {[]float64{1}, []float64{1, 1}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := tensors(t, row("w", wire.Grad, []int{len(c.a)}, c.a...))
			b := tensors(t, row("w", wire.Grad, []int{len(c.b)}, c.b...))
			err := peek.Diff(a, b, &bytes.Buffer{}, c.tol, peek.Options{Filter: peek.Everything})
			if c.differs != errors.Is(err, peek.ErrDiffer) || !c.differs && err != nil {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("a tensor that one lacks", func(t *testing.T) {
		a := tensors(t, row("w", wire.Grad, nil, 1))
		b := tensors(t, row("w", wire.Grad, nil, 1), row("v", wire.Grad, nil, 1))
		var out bytes.Buffer
		err := peek.Diff(a, b, &out, 1, peek.Options{Filter: peek.Everything})
		if !errors.Is(err, peek.ErrDiffer) || !strings.Contains(out.String(), "only in B") {
			t.Errorf("error %v, output %s", err, out.String())
		}
	})
}

func TestPictureOfAConvolution(t *testing.T) {
	folder := t.TempDir()
	s := tensors(t, row("conv.weight", wire.Grad, []int{2, 1, 1, 2}, 0, 1, math.NaN(), 0.5), row("bias", wire.Grad, []int{2}, 1, 2))
	reported(t, s, peek.Options{Filter: peek.Everything, Format: "csv", Pictures: folder})
	file, err := os.Open(filepath.Join(folder, "step-000007.grad.conv.weight.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if size := picture.Bounds().Size(); size.X != 2 || size.Y != 3 {
		t.Fatalf("size %v, want 2 x 3", size)
	}
	for _, c := range []struct {
		x, y    int
		r, g, b uint32
	}{{0, 0, 0, 0, 0}, {1, 0, 255, 255, 255}, {0, 2, 255, 0, 255}, {1, 2, 128, 128, 128}} {
		if r, g, b, _ := picture.At(c.x, c.y).RGBA(); r>>8 != c.r || g>>8 != c.g || b>>8 != c.b {
			t.Errorf("pixel (%d, %d) is %d %d %d, want %d %d %d", c.x, c.y, r>>8, g>>8, b>>8, c.r, c.g, c.b)
		}
	}
	if others, _ := filepath.Glob(filepath.Join(folder, "*")); len(others) != 1 {
		t.Errorf("files %v", others)
	}
}

func TestFilters(t *testing.T) {
	for name, c := range map[string]struct {
		filter peek.Filter
		lines  int // with CSV's first
	}{
		"everything":     {peek.Everything, 4},
		"a pattern":      {peek.Filter{Step: -1, Name: "ode.*"}, 3},
		"a role":         {peek.Filter{Step: -1, Role: "kron_a"}, 2},
		"the step":       {peek.Filter{Step: 7}, 4},
		"another step":   {peek.Filter{Step: 8}, 1},
		"name and role":  {peek.Filter{Step: -1, Name: "fc", Role: "kron_a"}, 1},
		"one character?": {peek.Filter{Step: -1, Name: "f?"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := tensors(t, row("ode.a", wire.Grad, nil, 1), row("ode.b", wire.KronA, []int{1, 1}, 1), row("fc", wire.Grad, nil, 1))
			var out bytes.Buffer
			if err := peek.Report(s, &out, peek.Options{Filter: c.filter, Format: "csv"}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(out.String(), "\n"); got != c.lines {
				t.Errorf("%d lines, want %d", got, c.lines)
			}
		})
	}
	if (peek.Filter{Name: "[a"}).Check() == nil {
		t.Error("a pattern without its bracket passes")
	}
}
