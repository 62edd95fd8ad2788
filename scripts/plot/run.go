package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"odepipe/pkg/wire"
)

// record is a line of log.jsonl.
type record struct {
	Program     string
	Step, Epoch int64
	Loss        *float64
	LR          float64
	NFEForward  float64 `json:"nfe_forward"`
	NFEBackward float64 `json:"nfe_backward"`
	Seconds     float64
	Wait        float64
	Compute     float64
	Write       float64
	GradNorm    *float64 `json:"grad_norm"`
	Damping     float64
	T1          map[string]float64
}

// evaluation is a line of evaluations.jsonl: what evalmodel prints, and the step whose parameters it judged.
type evaluation struct {
	Step     int64
	Loss     float64
	Accuracy *float64
}

// stage is where a program's time went, in seconds.
type stage struct {
	Program                       string
	Batches                       int
	Total, Wait, Compute, Writing float64
}

// run is a run folder of scripts/train.sh.
type run struct {
	name, folder string
	command      string // the line that repeats it
	steps        []record
	elapsed      []float64 // seconds from the beginning to the end of each of steps
	evaluations  []evaluation
	sizes        []point // of the steps in t, by step
	stages       []stage
}

// point is a number at a step.
type point struct{ step, y float64 }

// readRun reads log.jsonl and command, and where they are evaluations.jsonl and trace.arrow.
func readRun(folder string) (*run, error) {
	r := &run{name: filepath.Base(folder), folder: folder}
	if err := jsonLines(filepath.Join(folder, "log.jsonl"), r.add); err != nil {
		return nil, err
	}
	if len(r.steps) == 0 {
		return nil, fmt.Errorf("%s: log.jsonl has no steps yet", folder)
	}
	text, err := os.ReadFile(filepath.Join(folder, "command"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r.command = strings.TrimSpace(string(text))
	err = jsonLines(filepath.Join(folder, "evaluations.jsonl"), func(e evaluation) { r.evaluations = append(r.evaluations, e) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err = r.readTrace(filepath.Join(folder, "trace.arrow")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r, nil
}

// add takes a line of the log: kfacstep's are the steps, every program's count for its stage.
func (r *run) add(line record) {
	i := 0
	for i < len(r.stages) && r.stages[i].Program != line.Program {
		i++
	}
	if i == len(r.stages) {
		r.stages = append(r.stages, stage{Program: line.Program})
	}
	s := &r.stages[i]
	s.Batches++
	s.Wait += line.Wait
	s.Compute += line.Compute
	s.Writing += line.Write
	s.Total += max(line.Seconds, line.Wait+line.Compute+line.Write)
	if line.Program != "kfacstep" {
		return
	}
	before := 0.0
	if n := len(r.elapsed); n > 0 {
		before = r.elapsed[n-1]
	}
	r.steps, r.elapsed = append(r.steps, line), append(r.elapsed, before+line.Seconds)
}

// jsonLines calls do with every line of a file of JSON objects.
func jsonLines[T any](path string, do func(T)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		var line T
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		do(line)
	}
	return lines.Err()
}

// readTrace reads the mean size of the accepted forward steps of every mini-batch.
func (r *run) readTrace(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	t := wire.NewTraceReader(bufio.NewReader(f), wire.Limits{})
	var b wire.TraceBatch
	for err = t.Next(&b); err == nil; err = t.Next(&b) {
		sum, n := 0.0, 0
		for _, row := range b.Rows {
			if row.Accepted && row.Direction == wire.Forward {
				sum += math.Abs(row.H)
				n++
			}
		}
		if n > 0 {
			r.sizes = append(r.sizes, point{float64(b.Step), sum / float64(n)})
		}
	}
	if err != io.EOF {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// setting is the recipe of a run: its command without the script, the folder and the seed. Runs of one recipe differ by
// chance alone.
func (r *run) setting() string {
	words := strings.Fields(r.command)
	if len(words) < 4 {
		return r.folder
	}
	kept := words[1:3]
	for _, word := range words[4:] {
		if !strings.HasPrefix(word, "--seed=") && !strings.HasPrefix(word, "--threads=") {
			kept = append(kept, word)
		}
	}
	return strings.Join(kept, " ")
}

// curve is runs of one recipe under the name of the first.
type curve struct {
	name string
	runs []*run
}

// group puts runs of one recipe together, in the order in which they come.
func group(runs []*run) []curve {
	var curves []curve
	at := map[string]int{}
	for _, r := range runs {
		i, known := at[r.setting()]
		if !known {
			i = len(curves)
			at[r.setting()] = i
			curves = append(curves, curve{name: r.name})
		}
		curves[i].runs = append(curves[i].runs, r)
	}
	for i := range curves {
		if n := len(curves[i].runs); n > 1 {
			curves[i].name += fmt.Sprintf(" (%d seeds)", n)
		}
	}
	return curves
}
