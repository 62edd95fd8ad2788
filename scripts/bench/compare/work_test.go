package main

import "testing"

// Each expectation is worked out from the layers of the preset.
func TestWorkOfWorkloads(t *testing.T) {
	for _, c := range []struct {
		name, workload, optimizer string
		forward, backward         float64 // operations of an evaluation
		plain, update             float64
	}{
		{
			name: "MNIST: two convolutions of 65 to 64 channels, 3x3, on 6x6; a gradient takes three times as much", workload: "mnist", optimizer: "adam",
			forward: 2 * (2 * 128 * 64 * 585 * 36), backward: 6 * (2 * 128 * 64 * 585 * 36),
			// conv1 9 to 64 on 26x26, no cotangent of the pictures; conv2 1024 to 64 on 13x13; conv3 on 6x6; 64 to 10
			plain: 2*(2*128*64*9*676) + 3*(2*128*64*1024*(169+36)+2*128*10*64),
		},
		{
			name: "MNIST with SNOpt: the same, and four products with each eigenbasis", workload: "mnist", optimizer: "snopt",
			forward: 2 * (2 * 128 * 64 * 585 * 36), backward: 6 * (2 * 128 * 64 * 585 * 36),
			plain:  2*(2*128*64*9*676) + 3*(2*128*64*1024*(169+36)+2*128*10*64),
			update: 4 * (64*9*(64+9) + 2*64*1024*(64+1024) + 2*64*586*(64+586) + 10*65*(10+65)),
		},
		{
			name: "MINIBOONE: 43 to 860 to 860 to 43, and as much again for the probe", workload: "miniboone", optimizer: "adam",
			forward: 2 * 2 * 128 * (2*43*860 + 860*860), backward: 6 * 2 * 128 * (2*43*860 + 860*860),
		},
		{
			name: "GAS: the mean of five blocks alike", workload: "gas", optimizer: "adam",
			forward: 2 * 2 * 1000 * (2*8*160 + 2*160*160), backward: 6 * 2 * 1000 * (2*8*160 + 2*160*160),
		},
		{
			name: "circle: both unit vectors", workload: "circle", optimizer: "adam",
			forward: 3 * 2 * 512 * (2*2*64 + 64*64), backward: 9 * 2 * 512 * (2*2*64 + 64*64),
		},
		{
			name: "ArtWR with SNOpt: four maps of 64; a cell of 73, 73, 9 and 64 inputs at 144 points; the head has Adam", workload: "artwr", optimizer: "snopt",
			forward: 4 * 2 * 256 * 64 * 64, backward: 12 * 2 * 256 * 64 * 64,
			plain:  144*3*2*256*64*(73+73+9+64) + 3*2*256*25*64,
			update: 4 * 4 * 64 * 65 * (64 + 65),
		},
	} {
		w, err := newWorkload(c.workload, 0)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.newRecipe(c.optimizer)
		if err != nil {
			t.Fatal(err)
		}
		got := w.count(r)
		near(t, c.name+": forward", got.forward, c.forward)
		near(t, c.name+": backward", got.backward, c.backward)
		near(t, c.name+": outside", got.plain, c.plain)
		near(t, c.name+": update", got.update, c.update)
		near(t, c.name+": whole", got.of(14, 20), 14*c.forward+20*c.backward+c.plain+c.update)
	}
}
