package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// colours are Okabe and Ito's, told apart with any colour vision, but for the yellow, too pale on white; where they do not
// suffice, and in grey, dashes tell.
var (
	colours = []color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255}}
	dashes  = [][]vg.Length{nil, {vg.Points(6), vg.Points(2)}, {vg.Points(2), vg.Points(2)}, {vg.Points(8), vg.Points(2), vg.Points(2), vg.Points(2)}}
)

const (
	panelWidth  = 13 * vg.Centimeter
	panelHeight = 6.5 * vg.Centimeter
	legendLine  = 0.6 * vg.Centimeter
)

// drawPicture writes the curves to a file, in the format that its ending says.
func drawPicture(path string, curves []curve) error {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if !slices.Contains([]string{"png", "svg", "pdf"}, format) {
		return fmt.Errorf("-o %s: a picture ends in .png, .svg or .pdf", path)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = drawCurves(f, format, curves)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// drawCurves writes a row of two panels for each metric, over steps and over seconds, below a legend.
func drawCurves(w io.Writer, format string, curves []curve) error {
	var panels [][]*plot.Plot
	for i := range metrics {
		row := make([]*plot.Plot, 2)
		filled := false
		for column, seconds := range []bool{false, true} {
			p, drawn, err := panel(&metrics[i], seconds, curves)
			if err != nil {
				return err
			}
			row[column], filled = p, filled || drawn
		}
		if filled {
			panels = append(panels, row)
		}
	}
	top := legendLine * vg.Length(len(curves)+1)
	width, height := 2*panelWidth, panelHeight*vg.Length(len(panels))+top
	whole, err := draw.NewFormattedCanvas(width, height, format)
	if err != nil {
		return err
	}
	canvas := draw.New(whole)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	pad := vg.Points(10)
	tiles := draw.Tiles{Rows: len(panels), Cols: 2, PadX: pad, PadY: pad, PadBottom: pad, PadLeft: pad, PadRight: 2 * pad}
	for i, row := range plot.Align(panels, tiles, draw.Crop(canvas, 0, 0, 0, -top)) {
		for j, c := range row {
			panels[i][j].Draw(c)
		}
	}
	names := legend(curves)
	names.Draw(draw.Crop(canvas, pad, -pad, height-top, -pad/2))
	_, err = whole.WriteTo(w)
	return err
}

// style is how curve i is drawn.
func style(i int) draw.LineStyle {
	return draw.LineStyle{Color: colours[i%len(colours)], Width: vg.Points(1.5), Dashes: dashes[i%len(dashes)]}
}

// legend names the curves.
func legend(curves []curve) plot.Legend {
	l := plot.NewLegend()
	l.Top, l.Left, l.ThumbnailWidth = true, true, vg.Points(40)
	for i, c := range curves {
		l.Add(c.name, &plotter.Line{LineStyle: style(i)})
	}
	return l
}

// panel draws a metric of all curves; it tells whether there was anything to draw.
func panel(m *metric, seconds bool, curves []curve) (*plot.Plot, bool, error) {
	p := plot.New()
	p.X.Label.Text = "steps"
	if seconds {
		p.X.Label.Text = "wall-clock time, seconds"
	}
	p.Y.Label.Text = m.label
	p.X.Label.TextStyle.Font.Size, p.Y.Label.TextStyle.Font.Size = vg.Points(9.5), vg.Points(9.5)
	p.Add(plotter.NewGrid())
	low, high, drawn := math.Inf(1), math.Inf(-1), false
	for i, c := range curves {
		var lines []plotter.XYs
		for _, r := range c.runs {
			lines = append(lines, m.points(r, seconds))
		}
		middle := lines[0]
		if len(lines) > 1 {
			var under, over plotter.XYs
			middle, under, over = spread(lines)
			if err := addBand(p, under, over, colours[i%len(colours)]); err != nil {
				return nil, false, err
			}
		}
		if len(middle) == 0 {
			continue
		}
		line, err := plotter.NewLine(middle)
		if err != nil {
			return nil, false, err
		}
		line.LineStyle, drawn = style(i), true
		p.Add(line)
		for _, xy := range middle {
			low, high = min(low, xy.Y), max(high, xy.Y)
		}
	}
	if p.Y.Min > 0 && high > 30*low {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: 2}
	}
	return p, drawn, nil
}

// addBand fills the space between two lines of the same x.
func addBand(p *plot.Plot, under, over plotter.XYs, c color.RGBA) error {
	if len(under) == 0 {
		return nil
	}
	outline := slices.Clone(under)
	for _, xy := range slices.Backward(over) {
		outline = append(outline, xy)
	}
	band, err := plotter.NewPolygon(outline)
	if err != nil {
		return err
	}
	band.LineStyle.Width = 0
	band.Color = color.NRGBA{c.R, c.G, c.B, 50}
	p.Add(band)
	return nil
}
