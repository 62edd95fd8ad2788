package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"odepipe/pkg/backend"
	"odepipe/pkg/model"
	"odepipe/pkg/optim"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// ErrStopped says that Train ended because its context did; the checkpoint has been saved.
var ErrStopped = errors.New("pipeline: stopped")

// TrainOptions are kfacstep's.
type TrainOptions struct {
	Backend func(tensor.DType) (backend.Backend, error)
	Threads int // for eigendecompositions
	Every   int64
	Limits  wire.Limits
	Skip    bool             // steps that fail numerically, instead of ending with their error
	Dump    *Dump            // for the gradients of a numerical failure; nil: none
	Done    func(StepRecord) // called after each step; may be nil
}

// StepRecord is what one step did, for the log.
type StepRecord struct {
	Step        int64   `json:"step"`
	Epoch       int64   `json:"epoch"`
	Loss        float64 `json:"loss"` // mean over the mini-batch, before the step
	LR          float64 `json:"lr"`
	NFEForward  int64   `json:"nfe_forward"`
	NFEBackward int64   `json:"nfe_backward"`
	Seconds     float64 `json:"seconds"` // since the step before
	Wait        float64 `json:"wait"`    // part of Seconds: for the gradients, decoding included
	Compute     float64 `json:"compute"` // part of Seconds: the update
	GradNorm    float64 `json:"grad_norm"`
	UpdateNorm  float64 `json:"update_norm"`
	Refresh     bool    `json:"refresh"`
	Damping     float64 `json:"damping,omitempty"`  // eps, where it is adaptive
	KLScale     float64 `json:"kl_scale,omitempty"` // of the trust region, where there is one

	T1       map[string]float64 `json:"t1,omitempty"` // of the ODE blocks at this step, where it is trained or drawn
	Warnings []string           `json:"warnings,omitempty"`

	Skipped string `json:"skipped,omitempty"` // why the step was skipped; loss, norms and lr are then not to be looked at
	Skips   int64  `json:"skips,omitempty"`   // steps skipped so far, this one included
}

// Init makes the checkpoint of step 0: initial values drawn with seed, or read from a safetensors file.
func Init(spec *model.Spec, s optim.Settings, seed uint64, weights string, be func(tensor.DType) (backend.Backend, error)) (*wire.Checkpoint, error) {
	n, err := model.NewNetwork(spec)
	if err != nil {
		return nil, err
	}
	var values []tensor.Buffer
	if weights != "" {
		if values, err = importWeights(weights, n); err != nil {
			return nil, err
		}
	} else {
		for i := range n.Params {
			values = append(values, n.Init(i, seed))
		}
	}
	b, err := be(spec.DType)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	t, err := newTrainer(b, n, s, values, modelTimes(n), 1)
	if err != nil {
		return nil, err
	}
	c := t.checkpoint()
	for i := range c.Tensors { // which outlive the trainer
		if row := &c.Tensors[i]; row.Fill != nil {
			row.Value = c.DType.Make(tensor.Of(row.Shape...).Size())
			if err := row.Fill(row.Value); err != nil {
				return nil, err
			}
			row.Fill = nil
		}
	}
	return c, nil
}

// Train applies each step of a gradient stream to the checkpoint at path, and writes the parameters of every step, the
// first one's as it begins, unless out is nil. It saves after every o.Every steps, at the end of the stream, and when
// ctx ends; a stream that breaks leaves the checkpoint as last saved. It returns wire.ErrInUse if another process is at it.
func Train(ctx context.Context, path string, in io.Reader, out io.Writer, o TrainOptions) error {
	lock, err := wire.LockCheckpoint(path)
	if err != nil {
		return err
	}
	defer lock.Close()
	c, err := wire.ReadCheckpoint(path, o.Limits)
	if err != nil {
		return err
	}
	be, err := o.Backend(c.DType)
	if err != nil {
		return err
	}
	defer be.Close()
	t, err := resume(c, be, o.Threads)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r := &ring{trainer: t, lock: lock, dtype: c.DType, saved: t.step, options: o, watch: stopwatch{time.Now()}}
	if o.Skip || o.Dump != nil {
		r.before = t.opt.NewSnapshot()
	}
	if out != nil {
		r.writer = wire.NewTensorWriter(out, wire.Header{Kind: wire.Params, Model: c.Model, ModelSHA256: c.ModelSHA256, Extra: map[string]string{keyOptimizer: c.Extra[keyOptimizer]}}, c.DType)
		if err := r.writer.Write(t.paramSet()); err != nil {
			return err
		}
	}
	return r.run(ctx, receiveGradients(wire.NewTensorReader(in, o.Limits), c.Header, c.DType))
}

// ring is Train at work.
type ring struct {
	*trainer
	lock    *wire.Lock // of the file
	saved   int64      // step of the file
	writer  *wire.TensorWriter
	options TrainOptions
	watch   stopwatch
	saving  float64 // seconds of a save after the last record
	dtype   tensor.DType
	before  *optim.Snapshot // of the last step; nil where nobody goes back
	skips   int64
}

// arrival is one step's gradients, or the end of them. The reader waits for done before it reuses their memory.
type arrival struct {
	set  *wire.Set
	err  error
	done chan struct{}
}

// receiveGradients reads a stream on the side, so that Train can stop while it waits.
func receiveGradients(reader *wire.TensorReader, params wire.Header, dtype tensor.DType) <-chan arrival {
	arrivals := make(chan arrival)
	go func() {
		a := arrival{set: &wire.Set{}, err: inInput(checkGradients(reader, params, dtype)), done: make(chan struct{})}
		for a.err == nil {
			if a.err = inInput(reader.Next(a.set)); a.err == nil {
				arrivals <- a
				<-a.done
			}
		}
		arrivals <- a
	}()
	return arrivals
}

// checkGradients waits for the header and compares it with the checkpoint's.
func checkGradients(reader *wire.TensorReader, params wire.Header, dtype tensor.DType) error {
	header, own, err := reader.Header()
	if err != nil {
		return err
	}
	if err := header.Want(wire.Gradient); err != nil {
		return err
	}
	if err := sameModel(header, params); err != nil {
		return err
	}
	if own != dtype {
		return fmt.Errorf("the gradients are %s, the checkpoint %s: %w", own, dtype, ErrMismatch)
	}
	return nil
}

func (r *ring) run(ctx context.Context, arrivals <-chan arrival) error {
	for {
		select {
		case <-ctx.Done():
			if err := r.save(); err != nil {
				return err
			}
			return ErrStopped
		case a := <-arrivals:
			if a.err == io.EOF {
				return r.finish()
			}
			if a.err != nil {
				if ctx.Err() != nil { // the whole pipeline was told to stop
					continue
				}
				return a.err
			}
			if err := r.apply(a.set); err != nil {
				return err
			}
			a.done <- struct{}{}
		}
	}
}

// apply takes one step, passes the new parameters on, logs it and saves when it is time. The log comes first, so that
// it has every step that the checkpoint has seen.
func (r *ring) apply(set *wire.Set) error {
	wait := r.watch.lap()
	refresh, t1 := r.opt.Wants(r.step), r.movingTimes()
	skipped, report, err := r.attempt(set)
	if err != nil {
		return err
	}
	compute := r.watch.lap()
	if r.writer != nil {
		if err := r.writer.Write(r.paramSet()); err != nil {
			return err
		}
	}
	if r.options.Done != nil {
		record := StepRecord{Step: set.Step, LR: report.LR, Seconds: r.saving + wait + compute + r.watch.lap(), Wait: wait, Compute: compute,
			GradNorm: report.GradNorm, UpdateNorm: report.UpdateNorm, Refresh: refresh, Damping: report.Damping, KLScale: report.KLScale, T1: t1, Warnings: report.Warnings, Skipped: skipped, Skips: r.skips}
		record.Loss, _ = set.Scalar("loss")
		for name, field := range map[string]*int64{"epoch": &record.Epoch, "nfe_forward": &record.NFEForward, "nfe_backward": &record.NFEBackward} {
			v, _ := set.Scalar(name)
			*field = int64(v)
		}
		r.options.Done(record)
	}
	r.saving = 0
	if r.step-r.saved < r.options.Every {
		return nil
	}
	err = r.save()
	r.saving = r.watch.lap()
	return err
}

// attempt takes one step. A numerical failure is skipped, with the reason, where the options say so: parameters and state
// stay as they were and the step counts. Else it is dumped, where they say that.
func (r *ring) attempt(set *wire.Set) (skipped string, report optim.Report, err error) {
	if r.before != nil {
		r.before.Take()
	}
	report, err = r.advance(set)
	if err == nil || r.before == nil || !Numerical(err) {
		return "", report, err
	}
	r.before.Restore()
	if r.options.Skip {
		r.step++
		r.skips++
		return err.Error(), report, nil
	}
	c := r.checkpoint()
	return "", report, r.options.Dump.keep(err, "kfacstep", set.Step, c.Encode, gradientContent(c.Header, set, r.dtype))
}

// movingTimes are the t1 of the ODE blocks at the trainer's step if they are trained or drawn, else nil.
func (r *ring) movingTimes() map[string]float64 {
	if !r.settings.MovesTimes() {
		return nil
	}
	times := map[string]float64{}
	t1 := r.opt.EndTimes(r.step)
	for i, o := range r.net.ODEs() {
		times[o.Name] = t1[i]
	}
	return times
}

// save replaces the checkpoint file unless it is at this step already.
func (r *ring) save() error {
	if r.saved == r.step {
		return nil
	}
	if err := r.lock.Save(r.checkpoint()); err != nil {
		return err
	}
	r.saved = r.step
	return nil
}

func (r *ring) finish() error {
	if err := r.save(); err != nil {
		return err
	}
	if r.writer != nil {
		return r.writer.Close()
	}
	return nil
}
