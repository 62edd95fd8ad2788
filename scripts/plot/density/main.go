// Density draws a flow of two features: data, samples and density side by side. scripts/plot.sh calls it.
//
//	density -o PICTURE data.arrow samples.arrow density.arrow
//
// The first two are sample tables with a column x; the last is evalmodel density's. The picture's ending chooses its format.
package main

import (
	"errors"
	"flag"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"odepipe/pkg/wire"
)

func main() {
	out := flag.String("o", "density.png", "picture to write: .png, .svg or .pdf")
	flag.Parse()
	if flag.NArg() != 3 {
		fmt.Fprintln(os.Stderr, "usage: density [-o density.png] DATA SAMPLES DENSITY")
		os.Exit(2)
	}
	if err := picture(*out, flag.Arg(0), flag.Arg(1), flag.Arg(2)); err != nil {
		fmt.Fprintln(os.Stderr, "density:", err)
		os.Exit(1)
	}
}

// picture draws the three panels over the grid's square.
func picture(out, data, samples, density string) error {
	grid, err := readGrid(density)
	if err != nil {
		return err
	}
	var panels []*plot.Plot
	for _, source := range []struct{ title, path string }{{"data", data}, {"samples", samples}} {
		points, err := readPoints(source.path)
		if err != nil {
			return err
		}
		scatter, err := plotter.NewScatter(points)
		if err != nil {
			return fmt.Errorf("%s: %w", source.path, err)
		}
		scatter.GlyphStyle = draw.GlyphStyle{Radius: vg.Points(0.7), Shape: draw.CircleGlyph{}, Color: blue}
		panels = append(panels, panel(source.title, grid, scatter))
	}
	colours := moreland.Kindlmann() // even in lightness: readable in grey and with any colour vision
	colours.SetMin(0)
	colours.SetMax(grid.largest)
	panels = append(panels, panel("density", grid, plotter.NewHeatMap(grid, colours.Palette(255))))
	return save(out, panels)
}

func panel(title string, g *grid, content plot.Plotter) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "x1", "x2"
	p.Add(content)
	p.X.Min, p.X.Max = g.lo[0], g.hi[0]
	p.Y.Min, p.Y.Max = g.lo[1], g.hi[1]
	return p
}

// blue is Okabe and Ito's.
var blue = color.RGBA{0, 114, 178, 255}

const side = 9 * vg.Centimeter

// save draws the panels in a row.
func save(out string, panels []*plot.Plot) error {
	format := strings.TrimPrefix(filepath.Ext(out), ".")
	canvas, err := draw.NewFormattedCanvas(side*vg.Length(len(panels)), side, format)
	if err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: vg.Points(8), PadTop: vg.Points(4), PadBottom: vg.Points(4), PadLeft: vg.Points(4), PadRight: vg.Points(8)}
	for i, row := range plot.Align([][]*plot.Plot{panels}, tiles, draw.New(canvas))[0] {
		panels[i].Draw(row)
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// read calls do with every mini-batch of a stream of samples.
func read(path string, do func(*wire.Samples) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := wire.NewSampleReader(file, wire.Limits{})
	var s wire.Samples
	for {
		if err := reader.Next(&s); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if x := s.Column("x"); x == nil || x.Type != wire.Values || len(x.Shape) != 1 || x.Shape[0] != 2 {
			return fmt.Errorf("%s: there is no column x of two features", path)
		}
		if err := do(&s); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

func readPoints(path string) (plotter.XYs, error) {
	var points plotter.XYs
	err := read(path, func(s *wire.Samples) error {
		x := s.Column("x").Value
		for n := range s.Rows {
			points = append(points, plotter.XY{X: x.At(2 * n), Y: x.At(2*n + 1)})
		}
		return nil
	})
	return points, err
}

// grid is a density on cell centres: a mini-batch for each value of the first feature, within it the second one runs.
type grid struct {
	x, y    []float64
	values  [][]float64 // [x][y]
	largest float64
	lo, hi  [2]float64
}

func readGrid(path string) (*grid, error) {
	g := &grid{}
	err := read(path, func(s *wire.Samples) error {
		x, pred := s.Column("x").Value, s.Column("pred")
		if pred == nil || pred.Type != wire.Values || pred.Value.Len() != s.Rows {
			return errors.New("there is no column pred of log-densities")
		}
		g.x = append(g.x, x.At(0))
		var row, y []float64
		for n := range s.Rows {
			y = append(y, x.At(2*n+1))
			row = append(row, math.Exp(pred.Value.At(n)))
			g.largest = max(g.largest, row[n])
		}
		g.y, g.values = y, append(g.values, row)
		return nil
	})
	if err == nil && (len(g.x) < 2 || len(g.y) < 2) {
		err = fmt.Errorf("%s: a grid has at least two cells along each side", path)
	}
	if err != nil {
		return nil, err
	}
	for d, axis := range [][]float64{g.x, g.y} {
		half := (axis[1] - axis[0]) / 2
		g.lo[d], g.hi[d] = axis[0]-half, axis[len(axis)-1]+half
	}
	return g, nil
}

// The methods that a heat map asks for.

func (g *grid) Dims() (columns, rows int) { return len(g.x), len(g.y) }
func (g *grid) Z(c, r int) float64        { return g.values[c][r] }
func (g *grid) X(c int) float64           { return g.x[c] }
func (g *grid) Y(r int) float64           { return g.y[r] }
