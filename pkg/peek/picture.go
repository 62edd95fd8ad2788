package peek

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// sheet is how an item is laid out as a picture: rows and columns of tiles of the given height and width, each of one
// channel (grey) or three (red, green, blue).
type sheet struct{ rows, columns, channels, height, width int }

// across is how many samples stand in a row of a sheet.
const across = 16

// sheetOf finds the sheet of an item: of images a tile per sample, of the weight [out, in, kh, kw] of a convolution a row
// of tiles per output.
func sheetOf(i *Item) (sheet, bool) {
	if len(i.Shape) != 4 {
		return sheet{}, false
	}
	n, c, h, w := i.Shape[0], i.Shape[1], i.Shape[2], i.Shape[3]
	switch {
	case n*c*h*w == 0:
		return sheet{}, false
	case i.Role != Column:
		return sheet{n, c, 1, h, w}, true
	case c == 1 || c == 3:
		return sheet{(n + across - 1) / across, min(n, across), c, h, w}, true
	}
	return sheet{}, false
}

// draw writes an item that is images, or the weight of a convolution, into the folder as step-<step>.<role>.<name>.png.
// The least value is black and the largest full; values that are not finite are magenta. Tiles are a pixel apart. Other
// items are left out.
//
// It returns what writing returned.
func draw(i *Item, folder string) error {
	s, ok := sheetOf(i)
	if !ok {
		return nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	for k := range i.Value.Len() {
		if v := i.Value.At(k); finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	picture := image.NewRGBA(image.Rect(0, 0, s.columns*(s.width+1)-1, s.rows*(s.height+1)-1))
	plane := s.height * s.width
	for tile := range i.Value.Len() / (plane * s.channels) {
		left, top := tile%s.columns*(s.width+1), tile/s.columns*(s.height+1)
		for k := range plane {
			at := tile*plane*s.channels + k
			picture.SetRGBA(left+k%s.width, top+k/s.width, pixel(i, at, plane, s.channels, low, high))
		}
	}
	name := strings.ReplaceAll(fmt.Sprintf("step-%06d.%s.%s.png", i.Step, i.Role, i.Name), string(filepath.Separator), "_")
	file, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	err = png.Encode(file, picture)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// pixel is the colour of the values at a position and in the channels behind it.
func pixel(i *Item, at, plane, channels int, low, high float64) color.RGBA {
	var levels [3]uint8
	for c := range levels {
		v := i.Value.At(at + c%channels*plane)
		if !finite(v) {
			return color.RGBA{255, 0, 255, 255}
		}
		if high > low {
			levels[c] = uint8(math.Round(255 * (v/2 - low/2) / (high/2 - low/2)))
		}
	}
	return color.RGBA{levels[0], levels[1], levels[2], 255}
}
