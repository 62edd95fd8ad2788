package dataset

import (
	"fmt"
	"strings"

	"odepipe/pkg/tensor"
)

// Augment changes pictures at random, each by a pure function of the seed, the step and the picture's row in the data
// set, so that a run may begin at any step and be cut into shards.
type Augment struct {
	Flip bool // left and right are exchanged, or not, as likely
	Crop bool // the picture is cut, anywhere, out of itself with a border of cropBorder black pixels around it
	Seed uint64
}

const cropBorder = 4

// ParseAugment reads what is to be done, "flip,crop" for example.
func ParseAugment(list string, seed uint64) (Augment, error) {
	a := Augment{Seed: seed}
	for _, word := range strings.Split(list, ",") {
		switch word {
		case "flip":
			a.Flip = true
		case "crop":
			a.Crop = true
		default:
			return a, fmt.Errorf("%w: %q; there are flip and crop", ErrAugment, word)
		}
	}
	return a, nil
}

// Check is an error if the column does not hold pictures [C, H, W].
func (a Augment) Check(x *Column) error {
	if x.Shape.Rank != 3 {
		return fmt.Errorf("%w: %s %v is no picture [C, H, W]", ErrAugment, x.Name, x.Shape)
	}
	return nil
}

// Apply overwrites pictures of the column x, values [len(index), C, H, W] of the rows of that index, in the mini-batch
// of a step:
//
//	out[c, i, j] = in[c, i + di, k + dj],   k = j or W-1-j,   di and dj from -4 to 4
//
// where black stands outside of the picture: byte 0, and 0 for pictures of floats. The zero value changes nothing.
func (a Augment) Apply(x *Column, values tensor.Buffer, index []int64, step int64) {
	if !a.Flip && !a.Crop {
		return
	}
	size := x.Shape.Size()
	black := float32(0)
	if x.Pixels != nil {
		black = x.Levels[0]
	}
	for k, row := range index {
		s := newSource(streamAugment, a.Seed, uint64(step), uint64(row))
		flip := s.uniform() < 0.5 && a.Flip
		di, dj := 0, 0
		if a.Crop {
			di = int(s.uniform()*(2*cropBorder+1)) - cropBorder
			dj = int(s.uniform()*(2*cropBorder+1)) - cropBorder
		}
		picture := values.Slice(k*size, (k+1)*size)
		if picture.F64 != nil {
			move(picture.F64, x.Shape.Dim[1], x.Shape.Dim[2], flip, di, dj, float64(black))
		} else {
			move(picture.F32, x.Shape.Dim[1], x.Shape.Dim[2], flip, di, dj, black)
		}
	}
}

// move overwrites the planes [C, height, width] as Apply says.
func move[T float32 | float64](planes []T, height, width int, flip bool, di, dj int, black T) {
	plane := make([]T, height*width)
	for ; len(planes) > 0; planes = planes[len(plane):] {
		copy(plane, planes)
		for i := range height {
			for j := range width {
				fromI, fromJ := i+di, j+dj
				if flip {
					fromJ = width - 1 - j + dj
				}
				v := black
				if fromI >= 0 && fromI < height && fromJ >= 0 && fromJ < width {
					v = plane[fromI*width+fromJ]
				}
				planes[i*width+j] = v
			}
		}
	}
}
