package kfac

import (
	"fmt"
	"math"
	"sort"
	"sync"
	"sync/atomic"

	"odepipe/pkg/backend"
	"odepipe/pkg/eigen"
	"odepipe/pkg/tensor"
)

// Eigenbasis is the coordinate system in which one layer's curvature is taken to be diagonal, and that diagonal. With
// K = FanIn + 1 for a layer with a bias, else FanIn:
//
//	U_A [K, K]      eigenvectors of A as columns, cut into the rows that meet weights and the one that meets the bias
//	U_B [Out, Out]  eigenvectors of B as columns
//	s [Out, K]      curvature along each pair of them, moved by the Precondition of Algorithm 2
//	a [K], b [Out]  eigenvalues of A and B, which the Kronecker form and Split damping look at
//
// All are plain tensors of the element type of the model; together they are the whole state of the layer.
type Eigenbasis struct {
	Weight  tensor.T // U_A without its last row [FanIn, K]
	Bias    tensor.T // the last row of U_A [1, K]; the zero T for a layer without bias
	Output  tensor.T // U_B
	Scale   tensor.T // s
	Inputs  tensor.T // a
	Outputs tensor.T // b
	Ready   bool     // whether the tensors hold anything yet
}

// NewEigenbasis allocates the basis of a layer with weights [out, fanIn]; it is not Ready.
func NewEigenbasis(be backend.Backend, out, fanIn int, bias bool) *Eigenbasis {
	k := fanIn
	e := &Eigenbasis{}
	if bias {
		k++
		e.Bias = be.Plain(tensor.Of(1, k))
	}
	e.Weight = be.Plain(tensor.Of(fanIn, k))
	e.Output = be.Plain(tensor.Of(out, out))
	e.Scale = be.Plain(tensor.Of(out, k))
	e.Inputs, e.Outputs = be.Plain(tensor.Of(k)), be.Plain(tensor.Of(out))
	return e
}

// Refresh replaces each layer's basis by that of new factors, and its scale by the outer product of their
// eigenvalues, s[o, k] = lambda_B[o] lambda_A[k]. The decompositions run in float64, the largest layer first, on up to
// threads goroutines, of which each holds one problem; the result does not depend on how many.
//
// The error of a layer is eigen.ErrNonFinite, eigen.ErrNoConvergence or ErrIndefinite, with the factor's letter; its
// basis is then what it was before. It panics if shapes disagree.
func Refresh(be backend.Backend, bases []*Eigenbasis, factors []Factors, threads int) []error {
	jobs := make([]*job, 0, 2*len(bases))
	for i, e := range bases {
		out, k := e.sides()
		a, b := &job{layer: i, letter: "A", side: k, factor: factors[i].A}, &job{layer: i, letter: "B", side: out, factor: factors[i].B}
		a.partner, b.partner = b, a
		jobs = append(jobs, a, b)
	}
	sort.SliceStable(jobs, func(i, j int) bool { return jobs[i].size() > jobs[j].size() })
	errs := make([]error, len(bases))
	for j := range decomposeAll(jobs, be.DType(), max(threads, 1)) {
		if j.done = true; j.partner.done {
			a, b := j, j.partner
			if b.letter == "A" {
				a, b = b, a
			}
			errs[j.layer] = bases[j.layer].set(be, *a, *b)
			a.result, b.result = spectrum{}, spectrum{}
		}
	}
	return errs
}

// job is one factor to be decomposed.
type job struct {
	layer   int
	letter  string
	side    int
	factor  tensor.T
	partner *job // the layer's other factor
	done    bool
	result  spectrum
	err     error
}

// size orders the jobs: a layer's two follow one another, so that its results do not wait.
func (j *job) size() int { return max(j.side, j.partner.side) }

// decomposeAll fills in result and err of the jobs, begun in order, and sends each when it is finished.
func decomposeAll(jobs []*job, d tensor.DType, threads int) <-chan *job {
	finished := make(chan *job)
	workers := min(threads, len(jobs))
	var next atomic.Int64
	var running sync.WaitGroup
	for w := 0; w < workers; w++ {
		running.Add(1)
		go func() {
			defer running.Done()
			for i := next.Add(1) - 1; int(i) < len(jobs); i = next.Add(1) - 1 {
				j := jobs[i]
				j.result, j.err = decompose(j.side, j.factor, d, threads/workers)
				finished <- j
			}
		}()
	}
	go func() {
		running.Wait()
		close(finished)
	}()
	return finished
}

// sides are Out and K.
func (e *Eigenbasis) sides() (out, k int) { return e.Scale.Shape.Dim[0], e.Scale.Shape.Dim[1] }

// set uploads the basis that two spectra make.
func (e *Eigenbasis) set(be backend.Backend, a, b job) error {
	for _, j := range []job{a, b} {
		if j.err != nil {
			return fmt.Errorf("factor %s: %w", j.letter, j.err)
		}
	}
	lambdaA, lambdaB := a.result.values, b.result.values
	out, k := e.sides()
	scale := be.DType().Make(out * k)
	for o := range lambdaB {
		for i := range lambdaA {
			scale.Set(o*k+i, lambdaB[o]*lambdaA[i])
		}
	}
	if math.IsInf(scale.At(out*k-1), 0) { // the product of the two largest
		return fmt.Errorf("scale %.3g x %.3g: %w", lambdaB[out-1], lambdaA[k-1], eigen.ErrNonFinite)
	}
	vectors := a.result.vectors
	fanIn := e.Weight.Shape.Dim[0]
	be.Upload(e.Weight, vectors.Slice(0, fanIn*k))
	if fanIn < k {
		be.Upload(e.Bias, vectors.Slice(fanIn*k, k*k))
	}
	be.Upload(e.Output, b.result.vectors)
	be.Upload(e.Scale, scale)
	be.Upload(e.Inputs, tensor.Buffer{F64: lambdaA})
	be.Upload(e.Outputs, tensor.Buffer{F64: lambdaB})
	e.Ready = true
	return nil
}
