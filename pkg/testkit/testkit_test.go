package testkit_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"odepipe/pkg/testkit"
)

// recorder is a testing.TB that keeps what is reported to it.
type recorder struct {
	testing.TB
	reports []string
}

func (*recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func TestClose(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	cases := map[string]struct {
		got, want  []float64
		atol, rtol float64
		report     string // a part of what must be reported; empty if nothing
	}{
		"equal":                             {[]float64{1, 2}, []float64{1, 2}, 0, 0, ""},
		"within the absolute tolerance":     {[]float64{1.5}, []float64{1}, 0.5, 0, ""},
		"within the relative tolerance":     {[]float64{110}, []float64{100}, 0, 0.11, ""},
		"beyond it names the worst element": {[]float64{1, 2.2, 3.3}, []float64{1, 2, 3}, 0.1, 0, "2 of 3 elements differ; worst is element 2"},
		"NaN got":                           {[]float64{nan}, []float64{1}, 1e9, 0, "got NaN, want 1"},
		"NaN wanted":                        {[]float64{1}, []float64{nan}, 1e9, 0, "got 1, want NaN"},
		"NaN is worse than any number":      {[]float64{9, nan}, []float64{1, 1}, 1e-3, 0, "worst is element 1"},
		"an infinity wanted and got":        {[]float64{inf}, []float64{inf}, 0, 0, ""},
		"an infinity wanted":                {[]float64{1}, []float64{inf}, 0, 0.5, "want +Inf"},
		"an infinity got":                   {[]float64{inf}, []float64{1}, 1, 0.5, "got +Inf"},
		"different lengths":                 {[]float64{1}, []float64{1, 2}, 1, 1, "got 1 elements, want 2"},
		"nothing at all":                    {nil, nil, 0, 0, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var r recorder
			testkit.Close(&r, "vector", c.got, c.want, c.atol, c.rtol)
			report := strings.Join(r.reports, "\n")
			if (report == "") != (c.report == "") || !strings.Contains(report, c.report) {
				t.Errorf("got report %q, want one with %q", report, c.report)
			}
		})
	}
}

func TestGradientOfAKnownFunction(t *testing.T) {
	x := []float64{0.3, -1.2}
	f := func(x []float64) float64 { return x[0]*x[0]*x[1] + math.Sin(x[1]) }
	testkit.Close(t, "gradient", testkit.Gradient(f, x), []float64{2 * 0.3 * -1.2, 0.09 + math.Cos(-1.2)}, 1e-9, 0)
	testkit.Close(t, "x after", x, []float64{0.3, -1.2}, 0, 0)
}

func TestNormalIsSeeded(t *testing.T) {
	a := testkit.Normal(1, 10000)
	testkit.Close(t, "same seed", testkit.Normal(1, 10000), a, 0, 0)
	if testkit.Normal(2, 1)[0] == a[0] {
		t.Error("two seeds give the same number")
	}
	mean, square := 0.0, 0.0
	for _, v := range a {
		mean += v / 10000
		square += v * v / 10000
	}
	testkit.Close(t, "mean and variance", []float64{mean, square}, []float64{0, 1}, 0.05, 0)
}

func TestGoldenDecodes(t *testing.T) {
	var table struct{ Problems map[string]any }
	testkit.Golden(t, "ode_table", &table)
	if len(table.Problems) == 0 {
		t.Error("no problems")
	}
}
