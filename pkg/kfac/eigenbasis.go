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
// eigenvalues, s[o, k] = lambda_B[o] lambda_A[k]. The decompositions run in float64, the largest first, on up to
// threads goroutines; the result does not depend on how many.
//
// The error of a layer is eigen.ErrNonFinite, eigen.ErrNoConvergence or ErrIndefinite, with the factor's letter; its
// basis is then what it was before. It panics if shapes disagree.
func Refresh(be backend.Backend, bases []*Eigenbasis, factors []Factors, threads int) []error {
	jobs := make([]job, 0, 2*len(bases))
	for i, e := range bases {
		out, k := e.sides()
		jobs = append(jobs,
			job{letter: "A", side: k, matrix: download(be, factors[i].A, k)},
			job{letter: "B", side: out, matrix: download(be, factors[i].B, out)})
	}
	decomposeAll(jobs, max(threads, 1))
	errs := make([]error, len(bases))
	for i, e := range bases {
		errs[i] = e.set(be, jobs[2*i], jobs[2*i+1])
	}
	return errs
}

// job is one factor to be decomposed.
type job struct {
	letter string
	side   int
	matrix []float64
	result spectrum
	err    error
}

// decomposeAll fills in result and err of all jobs.
func decomposeAll(jobs []job, threads int) {
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return jobs[order[i]].side > jobs[order[j]].side })
	workers := min(threads, len(jobs))
	var next atomic.Int64
	var running sync.WaitGroup
	for w := 0; w < workers; w++ {
		running.Add(1)
		go func() {
			defer running.Done()
			for i := next.Add(1) - 1; int(i) < len(order); i = next.Add(1) - 1 {
				j := &jobs[order[i]]
				j.result, j.err = decompose(j.side, j.matrix, threads/workers)
			}
		}()
	}
	running.Wait()
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
	vectors := tensor.Buffer{F64: a.result.vectors}
	fanIn := e.Weight.Shape.Dim[0]
	be.Upload(e.Weight, vectors.Slice(0, fanIn*k))
	if fanIn < k {
		be.Upload(e.Bias, vectors.Slice(fanIn*k, k*k))
	}
	be.Upload(e.Output, tensor.Buffer{F64: b.result.vectors})
	be.Upload(e.Scale, scale)
	be.Upload(e.Inputs, tensor.Buffer{F64: lambdaA})
	be.Upload(e.Outputs, tensor.Buffer{F64: lambdaB})
	e.Ready = true
	return nil
}
