package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"odepipe/pkg/ode"
)

// colours are Okabe and Ito's, told apart with any colour vision, but for the yellow, too pale on white.
var colours = []color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255}}

// look is how a method is drawn: solid with filled marks if it chooses its steps, else dashed with open ones.
type look struct {
	line draw.LineStyle
	mark draw.GlyphStyle
}

// looks are those of all methods, a colour for each of either kind.
func looks() map[string]look {
	filled := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}}
	open := []draw.GlyphDrawer{draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
	all, count := map[string]look{}, map[bool]int{}
	for _, m := range ode.Methods {
		kind := m.Adaptive()
		i := count[kind]
		count[kind]++
		shapes, dashes := filled, []vg.Length(nil)
		if !kind {
			shapes, dashes = open, []vg.Length{vg.Points(4), vg.Points(2)}
		}
		c := colours[i%len(colours)]
		all[m.Name] = look{
			draw.LineStyle{Color: c, Width: vg.Points(1.2), Dashes: dashes},
			draw.GlyphStyle{Color: c, Radius: vg.Points(2.4), Shape: shapes[i%len(shapes)]},
		}
	}
	return all
}

// cost is what stands on the x axis of a panel.
type cost struct {
	label string
	of    func(result) float64
}

var costs = []cost{
	{"evaluations of f", func(r result) float64 { return float64(r.evaluations) }},
	{"seconds for a solve, s", func(r result) float64 { return r.seconds }},
}

const (
	across      = 2 // problems in a row of panels
	panelWidth  = 9 * vg.Centimeter
	panelHeight = 8 * vg.Centimeter
	legendWidth = 4.2 * vg.Centimeter
	least       = 1e-16 // smaller errors are drawn here: the spacing of doubles
	nowhere     = 1.2   // log10 of the error where a solve without a correct digit is drawn
)

// formatOf is a picture's format by the ending of its name. The error wraps errUsage.
func formatOf(path string) (string, error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if !slices.Contains([]string{"png", "svg", "pdf"}, format) {
		return "", fmt.Errorf("%w: -o %s: a picture ends in .png, .svg or .pdf", errUsage, path)
	}
	return format, nil
}

// drawPicture writes a picture with a panel for each problem and cost, and the legend beside them.
func drawPicture(path string, list []problem, methods []ode.Scheme, results []result) error {
	format, err := formatOf(path)
	if err != nil {
		return err
	}
	columns := len(costs) * min(across, len(list))
	rows := (len(costs)*len(list) + columns - 1) / columns
	width, height := panelWidth*vg.Length(columns)+legendWidth, panelHeight*vg.Length(rows)
	whole, err := draw.NewFormattedCanvas(width, height, format)
	if err != nil {
		return err
	}
	canvas := draw.New(whole)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	panels := make([][]*plot.Plot, rows)
	for i := range panels {
		panels[i] = make([]*plot.Plot, columns)
	}
	styles := looks()
	for i, p := range list {
		for j, c := range costs {
			at := i*len(costs) + j
			if panels[at/columns][at%columns], err = panel(p, c, methods, results, styles); err != nil {
				return err
			}
		}
	}
	pad := vg.Points(10)
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: pad, PadY: pad, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
	for i, row := range plot.Align(panels, tiles, draw.Crop(canvas, 0, -legendWidth, 0, 0)) {
		for j, c := range row {
			if panels[i][j] != nil {
				panels[i][j].Draw(c)
			}
		}
	}
	drawLegend(draw.Crop(canvas, width-legendWidth, 0, 0, -pad), methods, styles)
	return save(path, whole)
}

func save(path string, c vg.CanvasWriterTo) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = c.WriteTo(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// panel draws the error on one problem against one cost, both axes logarithmic.
func panel(problem problem, c cost, methods []ode.Scheme, results []result, styles map[string]look) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s (%s)", problem.name, problem.equation)
	p.X.Label.Text, p.Y.Label.Text = c.label, "relative error at t1"
	p.X.Tick.Marker, p.Y.Tick.Marker = decades{1}, decades{2}
	p.Add(plotter.NewGrid())
	for _, m := range methods {
		var good, bad plotter.XYs
		for _, r := range results {
			if r.problem != problem.name || r.method != m.Name || r.evaluations == 0 {
				continue
			}
			if x := math.Log10(c.of(r)); r.failed() {
				bad = append(bad, plotter.XY{X: x, Y: nowhere})
			} else {
				good = append(good, plotter.XY{X: x, Y: math.Log10(max(r.error, least))})
			}
		}
		if err := addCurve(p, styles[m.Name], good, bad); err != nil {
			return nil, fmt.Errorf("%s by %s: %w", problem.name, m.Name, err)
		}
	}
	p.Y.Min, p.Y.Max = math.Log10(least), nowhere+0.4
	return p, nil
}

// addCurve draws good results with a line through them and bad ones as crosses.
func addCurve(p *plot.Plot, l look, good, bad plotter.XYs) error {
	if len(good) > 0 {
		line, marks, err := plotter.NewLinePoints(good)
		if err != nil {
			return err
		}
		line.LineStyle, marks.GlyphStyle = l.line, l.mark
		p.Add(line, marks)
	}
	if len(bad) > 0 {
		crosses, err := plotter.NewScatter(bad)
		if err != nil {
			return err
		}
		crosses.GlyphStyle = draw.GlyphStyle{Color: l.mark.Color, Radius: l.mark.Radius, Shape: draw.CrossGlyph{}}
		p.Add(crosses)
	}
	return nil
}

// decades are ticks at powers of ten, every so many labelled, on an axis of logarithms.
type decades struct{ every int }

func (d decades) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for k := int(math.Ceil(lo)); k <= int(math.Floor(hi)) && float64(k) < nowhere+6; k++ {
		tick := plot.Tick{Value: float64(k)}
		if k%d.every == 0 {
			tick.Label = fmt.Sprintf("1e%d", k)
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// drawLegend names the methods, those that choose their steps first.
func drawLegend(c draw.Canvas, methods []ode.Scheme, styles map[string]look) {
	legend := plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.ThumbnailWidth, legend.Padding = vg.Points(30), vg.Points(3)
	for _, m := range methods {
		legend.Add(m.Name, sample{styles[m.Name]})
	}
	legend.Add("no correct digit", sample{look{mark: draw.GlyphStyle{Color: color.Gray{100}, Radius: vg.Points(2.4), Shape: draw.CrossGlyph{}}}})
	legend.Draw(c)
}

// sample is a look in the legend.
type sample struct{ look }

var _ plot.Thumbnailer = sample{}

func (s sample) Thumbnail(c *draw.Canvas) {
	y := c.Center().Y
	c.StrokeLine2(s.line, c.Min.X, y, c.Max.X, y)
	c.DrawGlyph(s.mark, c.Center())
}
