package cpu

// side is the images [height, width, channels] that a filterPlan reads or writes, in S x S phases: position (h, w) of phase
// (p, q) is the pixel (S h + offset + p, S w + offset + q), which may lie outside.
type side struct {
	height, width, channels int
	phases                  int // S
	offset                  int
}

// position is one of all phases.
type position struct{ h, w int }

// rows is the number of rows of lanes at a position: [phase][channel].
func (s *side) rows() int { return s.phases * s.phases * s.channels }

// size is the number of rows of an image.
func (s *side) size() int { return s.height * s.width * s.channels }

// positions is the range along an axis, of so many pixels, of those that have pixels inside.
func (s *side) positions(pixels int) span {
	return span{-s.offset / s.phases, (pixels-1-s.offset)/s.phases + 1}
}

// at is the first row of a position of a phase, or -1 outside.
func (s *side) at(h, w, phase int) int {
	h, w = s.phases*h+s.offset+phase/s.phases, s.phases*w+s.offset+phase%s.phases
	if h < 0 || h >= s.height || w < 0 || w >= s.width {
		return -1
	}
	return (h*s.width + w) * s.channels
}

// read points a nest's inputs at the positions from one on of a phase of an image; those outside are zeros.
func (s *side) read(n *nest, t *nestTables, first position, phase int, image, zeros []float32) {
	for i := range n.rows {
		for j := range n.columns {
			if at := s.at(first.h+i, first.w+j, phase); at < 0 {
				n.put(t, i, j, &zeros[0])
			} else {
				n.put(t, i, j, &image[at*lanes])
			}
		}
	}
}

// write points a nest's outputs at such positions, and at rubbish outside.
func (s *side) write(n *nest, t *nestTables, first position, phase int, image, rubbish []float32) {
	for i := range n.outputRows {
		for j := range n.outputColumns {
			if at := s.at(first.h+i, first.w+j, phase); at < 0 {
				n.get(t, i, j, &rubbish[0])
			} else {
				n.get(t, i, j, &image[at*lanes])
			}
		}
	}
}
