package pipeline

import (
	"fmt"
	"io"
	"math"

	"odepipe/pkg/model"
	"odepipe/pkg/tensor"
	"odepipe/pkg/wire"
)

// Figures judge a model on a data set; evalmodel prints them as JSON.
type Figures struct {
	Samples  int            `json:"samples"`
	Loss     float64        `json:"loss"`               // mean over samples
	Accuracy *float64       `json:"accuracy,omitempty"` // 0 to 1, models with classes only
	NLL      *float64       `json:"nll,omitempty"`      // mean negative log-density, nats; flows only
	NLLError *float64       `json:"nll_se,omitempty"`   // its standard error
	BitsDim  *float64       `json:"bits_per_dim,omitempty"`
	NFE      float64        `json:"nfe"` // evaluations of F in the forward solves of a mini-batch, mean over samples
	Classes  []ClassFigures `json:"classes,omitempty"`

	PathCosts map[string]float64 `json:"path_costs,omitempty"` // columns <block>.kinetic and <block>.jacobian, mean over samples
}

// ClassFigures are the same for the samples of one true class.
type ClassFigures struct {
	Class    int     `json:"class"`
	Samples  int     `json:"samples"`
	Loss     float64 `json:"loss"`
	Accuracy float64 `json:"accuracy"`
}

// Prediction is one sample's outcome.
type Prediction struct {
	Index    int64 // row in the data set; position in the stream if the stream does not say
	Loss     float64
	HasClass bool
	True     int32         // class
	Class    int32         // with the largest output
	Pred     tensor.Buffer // the model's output, valid during the call
}

// EvaluateOptions are evalmodel's.
type EvaluateOptions struct {
	ByClass bool
	Limits  wire.Limits
	Each    func(Prediction) // called for every sample; may be nil
}

// Evaluate reads odeforward's stream to its end.
func Evaluate(in io.Reader, o EvaluateOptions) (Figures, error) {
	source, err := openInput(in, wire.State, o.Limits)
	if err != nil {
		return Figures{}, err
	}
	n, err := networkOf(source.header)
	if err != nil {
		return Figures{}, inInput(err)
	}
	if o.ByClass && !n.Loss.Classes {
		return Figures{}, fmt.Errorf("model %q has no classes: %w", n.Spec.Name, ErrMismatch)
	}
	for name, shape := range map[string]tensor.Shape{"pred": n.Pred, "loss": {}} {
		if err := checkColumn(source.columns, name, shape); err != nil {
			return Figures{}, inInput(err)
		}
	}
	t := &tally{net: n, width: n.Pred.Size(), options: o}
	var batch wire.Samples
	for {
		if err := source.next(&batch); err == io.EOF {
			break
		} else if err != nil {
			return Figures{}, err
		}
		if err := t.add(&batch); err != nil {
			return Figures{}, err
		}
	}
	return t.figures(), nil
}

// tally sums over samples.
type tally struct {
	net     *model.Network
	width   int
	options EvaluateOptions

	samples, correct int
	total, nfe       float64
	squares          float64 // of the losses
	classes          []classTally
	costs            map[string]float64
}

type classTally struct {
	samples, correct int
	total            float64
}

func (t *tally) add(batch *wire.Samples) error {
	pred, losses, nfe := batch.Column("pred"), batch.Column("loss"), batch.Column("nfe")
	t.addCosts(batch)
	target, err := targetOf(t.net, batch)
	if err != nil {
		return err
	}
	for n := range batch.Rows {
		p := Prediction{Index: int64(t.samples), Loss: losses.Value.At(n), Pred: pred.Value.Slice(n*t.width, (n+1)*t.width)}
		if c := batch.Column("index"); c != nil && c.Type == wire.Int64 {
			p.Index = c.I64[n]
		}
		if t.net.Loss.Classes {
			p.HasClass, p.True, p.Class = true, target.Class[n], largest(p.Pred)
		}
		if math.IsNaN(p.Loss) || math.IsInf(p.Loss, 0) {
			return fmt.Errorf("sample %d: the loss is %g: %w", t.samples, p.Loss, ErrNonFinite)
		}
		t.count(p)
		if nfe != nil && nfe.Type == wire.Int32 {
			t.nfe += float64(nfe.I32[n])
		}
		if t.options.Each != nil {
			t.options.Each(p)
		}
	}
	return nil
}

// addCosts sums the integrals along the paths.
func (t *tally) addCosts(batch *wire.Samples) {
	for _, o := range t.net.ODEs() {
		for _, name := range []string{o.Name + ".kinetic", o.Name + ".jacobian"} {
			c := batch.Column(name)
			if c == nil || c.Type != wire.Values || len(c.Shape) > 0 {
				continue
			}
			if t.costs == nil {
				t.costs = map[string]float64{}
			}
			for n := range batch.Rows {
				t.costs[name] += c.Value.At(n)
			}
		}
	}
}

// largest is the index of the largest element, the first of several.
func largest(row tensor.Buffer) int32 {
	best := 0
	for i := 1; i < row.Len(); i++ {
		if row.At(i) > row.At(best) {
			best = i
		}
	}
	return int32(best)
}

func (t *tally) count(p Prediction) {
	t.samples++
	t.total += p.Loss
	t.squares += p.Loss * p.Loss
	if !p.HasClass {
		return
	}
	for len(t.classes) <= int(p.True) {
		t.classes = append(t.classes, classTally{})
	}
	c := &t.classes[p.True]
	c.samples++
	c.total += p.Loss
	if p.Class == p.True {
		t.correct++
		c.correct++
	}
}

func (t *tally) figures() Figures {
	f := Figures{Samples: t.samples}
	if t.samples == 0 {
		return f
	}
	for name, sum := range t.costs {
		if f.PathCosts == nil {
			f.PathCosts = map[string]float64{}
		}
		f.PathCosts[name] = sum / float64(t.samples)
	}
	n := float64(t.samples)
	f.Loss, f.NFE = t.total/n, t.nfe/n
	if t.net.Loss.Density {
		nll, bits := f.Loss, f.Loss/(float64(t.net.Output.Size())*math.Ln2)
		f.NLL, f.BitsDim = &nll, &bits
		if n > 1 {
			se := math.Sqrt(max(t.squares/n-nll*nll, 0) / (n - 1))
			f.NLLError = &se
		}
	}
	if t.net.Loss.Classes {
		accuracy := float64(t.correct) / float64(t.samples)
		f.Accuracy = &accuracy
	}
	if t.options.ByClass {
		for i, c := range t.classes {
			if c.samples > 0 {
				f.Classes = append(f.Classes, ClassFigures{i, c.samples, c.total / float64(c.samples), float64(c.correct) / float64(c.samples)})
			}
		}
	}
	return f
}
