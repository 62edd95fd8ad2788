// Plot draws the learning curves of runs over wall-clock time:
//
//	go run ./scripts/plot -o curves.png RUNDIR...
//
// Each RUNDIR holds the log.jsonl of scripts/train.sh; the file's ending chooses the format (png, svg, pdf).
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// colours are Okabe and Ito's, told apart with any colour vision.
var colours = []color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}}

func main() {
	out := flag.String("o", "curves.png", "picture to write: .png, .svg or .pdf")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: plot [-o curves.png] RUNDIR...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := draw(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func draw(out string, runs []string) error {
	p := plot.New()
	p.X.Label.Text = "time, seconds"
	p.Y.Label.Text = "training loss (running mean), nats"
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for i, run := range runs {
		curve, err := lossCurve(filepath.Join(run, "log.jsonl"))
		if err != nil {
			return err
		}
		line, err := plotter.NewLine(curve)
		if err != nil {
			return fmt.Errorf("%s: %w", run, err)
		}
		line.Color, line.Width = colours[i%len(colours)], vg.Points(1.5)
		line.Dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(2)}, {vg.Points(2), vg.Points(2)}}[i%3]
		p.Add(line)
		p.Legend.Add(filepath.Base(run), line)
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, out)
}

// lossCurve reads (sum of seconds so far, loss smoothed by an exponential mean over about ten steps).
func lossCurve(path string) (plotter.XYs, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var curve plotter.XYs
	elapsed, mean, weight := 0.0, 0.0, 0.0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var record struct{ Seconds, Loss float64 }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(curve)+1, err)
		}
		elapsed += record.Seconds
		mean, weight = 0.9*mean+0.1*record.Loss, 0.9*weight+0.1
		curve = append(curve, plotter.XY{X: elapsed, Y: mean / weight})
	}
	return curve, lines.Err()
}
