package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"odepipe/pkg/pipeline"
	"odepipe/pkg/wire"
)

//go:embed report.html
var page string

// report is what the page shows.
type report struct {
	Name     string
	Facts    pipeline.Facts
	Model    string
	Figures  [][2]string
	Stages   []stage
	Curves   template.HTML
	Commands []string
}

// writeReport writes the page of a run, which needs no other file.
func writeReport(path string, r *run) error {
	c, err := wire.ReadCheckpoint(filepath.Join(r.folder, "checkpoint.arrow"), wire.Limits{})
	if err != nil {
		return err
	}
	facts, err := pipeline.Describe(c)
	if err != nil {
		return err
	}
	figures, err := r.figures()
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := drawCurves(&picture, "svg", group([]*run{r})); err != nil {
		return err
	}
	svg := picture.String()
	svg = svg[max(strings.Index(svg, "<svg"), 0):]
	t, err := template.New("report").Funcs(template.FuncMap{"share": func(part, all float64) string {
		return fmt.Sprintf("%.1f %%", 100*part/max(all, 1e-12))
	}}).Parse(page)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	err = t.Execute(&out, report{r.name, facts, c.Model, figures, r.stages, template.HTML(svg), r.commands()})
	if err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o666)
}

// tail is over how many of the last steps the final loss is a mean.
const tail = 100

// figures are the final numbers: of the log, and of test.json where evalmodel's output was kept.
func (r *run) figures() ([][2]string, error) {
	n := len(r.steps)
	sum, count, forward, backward := 0.0, 0, 0.0, 0.0
	for i := range r.steps {
		forward += r.steps[i].NFEForward
		backward += r.steps[i].NFEBackward
		if i >= n-tail && r.steps[i].Loss != nil {
			sum += *r.steps[i].Loss
			count++
		}
	}
	figures := [][2]string{
		{"steps", fmt.Sprint(n)},
		{"wall-clock time", fmt.Sprintf("%.1f s", r.elapsed[n-1])},
		{"time of a step, mean", fmt.Sprintf("%.4g s", r.elapsed[n-1]/float64(n))},
		{fmt.Sprintf("training loss, mean of the last %d steps", count), fmt.Sprintf("%.5g nats", sum/float64(max(count, 1)))},
		{"evaluations of F in a step, mean", fmt.Sprintf("%.4g forward, %.4g backward", forward/float64(n), backward/float64(n))},
	}
	text, err := os.ReadFile(filepath.Join(r.folder, "test.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return figures, nil
	}
	if err != nil {
		return nil, err
	}
	var test map[string]any
	if err := json.Unmarshal(text, &test); err != nil {
		return nil, fmt.Errorf("%s/test.json: %w", r.folder, err)
	}
	for _, key := range slices.Sorted(maps.Keys(test)) {
		if number, ok := test[key].(float64); ok {
			figures = append(figures, [2]string{"test: " + key, fmt.Sprintf("%.6g", number)})
		}
	}
	return figures, nil
}

// commands repeat the run, judge it and look inside.
func (r *run) commands() []string {
	data := "DATASET"
	if words := strings.Fields(r.command); len(words) > 2 {
		data = words[2]
	}
	ck := filepath.Join(r.folder, "checkpoint.arrow")
	return []string{
		r.command,
		fmt.Sprintf("datagen %s --split=test --batch=500 | odeforward --params=%s | evalmodel", data, ck),
		"arrowpeek " + ck,
	}
}
