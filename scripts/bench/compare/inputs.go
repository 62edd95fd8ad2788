package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// inputs are the files of a workload that both sides read.
type inputs struct {
	X, Y, Probes string // .npy; empty where there are none
}

// writeInputs writes so many mini-batches of standard normal values and, for models that classify, random classes, always the
// same; and the probes of flows.
func (w *workload) writeInputs(dir string, batches int) (inputs, error) {
	in := inputs{X: filepath.Join(dir, "x.npy")}
	rows := batches * w.preset.Batch
	rng := rand.New(rand.NewPCG(0, 0))
	shape := append([]int{rows}, w.net.Spec.Input.Dims()...)
	if err := writeNPY(in.X, "<f4", shape, func() uint32 { return math.Float32bits(float32(rng.NormFloat64())) }); err != nil {
		return in, err
	}
	if !w.net.Loss.Density {
		in.Y = filepath.Join(dir, "y.npy")
		classes := uint32(w.net.Output.Size())
		if err := writeNPY(in.Y, "<i4", []int{rows}, func() uint32 { return rng.Uint32N(classes) }); err != nil {
			return in, err
		}
	}
	if w.probes() != 1 {
		return in, nil
	}
	in.Probes = filepath.Join(dir, "probes.npy")
	return in, w.writeProbes(in.Probes, batches)
}

// writeProbes writes the vectors [batches, blocks, rows, d] of random signs with which odeforward and odebackward estimate
// divergences: a function of the model's seed, the step, the block and the sample's row.
func (w *workload) writeProbes(path string, batches int) error {
	blocks, d := w.net.ODEs(), w.net.Spec.Input.Size()
	step, block, row, column := 0, 0, 0, 0
	var rng *rand.Rand
	next := func() uint32 {
		if column == 0 {
			index := step*w.preset.Batch + row
			rng = rand.New(rand.NewPCG(uint64(blocks[block].Flow.Seed)<<32^uint64(step), uint64(block)<<48^uint64(index)))
		}
		for _, digit := range []struct {
			at   *int
			base int
		}{{&column, d}, {&row, w.preset.Batch}, {&block, len(blocks)}, {&step, batches + 1}} {
			if *digit.at = (*digit.at + 1) % digit.base; *digit.at != 0 {
				break
			}
		}
		return math.Float32bits(float32(rng.IntN(2)*2 - 1))
	}
	return writeNPY(path, "<f4", []int{batches, len(blocks), w.preset.Batch, d}, next)
}

// writeNPY writes an array of elements of four bytes, made one by one so that a large one takes no memory.
func writeNPY(path, descr string, shape []int, next func() uint32) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	size, dims := 1, ""
	for _, n := range shape {
		size *= n
		dims += fmt.Sprintf("%d, ", n)
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	out.WriteString("\x93NUMPY\x01\x00")
	binary.Write(out, binary.LittleEndian, uint16(len(header)))
	out.WriteString(header)
	var element [4]byte
	for range size {
		binary.LittleEndian.PutUint32(element[:], next())
		out.Write(element[:])
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}
