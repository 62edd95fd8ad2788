package loss

import (
	"errors"
	"fmt"

	"odepipe/pkg/tensor"
)

// ErrTarget says that a target does not fit the loss: a class out of range, a wrong shape, or none at all.
var ErrTarget = errors.New("loss: target does not fit")

// Target is what the samples should become: classes, or values in row-major order; the other is nil.
type Target struct {
	Class  []int32       // [N]
	Values tensor.Buffer // [N, width]
	Shape  []int         // of one sample's values
}

// Loss is one row of the table.
type Loss struct {
	Name    string
	Doc     string
	Classes bool // targets are classes, so accuracy makes sense
	Density bool // there are no targets: the model is a flow

	check func(pred tensor.Shape, target Target, rows int) error
	row   func(pred, grad []float64, target Target, n int) float64

	rank   func(width int) int
	factor func(rows [][]float64, pred []float64)
	draw   func(s, pred []float64, uniform, normal func() float64)
}

// Check says whether outputs of shape pred can be judged against the target of rows samples.
func (l Loss) Check(pred tensor.Shape, target Target, rows int) error {
	return l.check(pred, target, rows)
}

// Row returns the loss of sample n, and writes its gradient with respect to pred unless grad is nil. The target must
// have passed Check.
func (l Loss) Row(pred, grad []float64, target Target, n int) float64 {
	return l.row(pred, grad, target, n)
}

// Table lists every loss in display order.
var Table = []Loss{crossEntropy, mse, nll}

// ByName finds a loss.
func ByName(name string) (Loss, bool) {
	for _, l := range Table {
		if l.Name == name {
			return l, true
		}
	}
	return Loss{}, false
}

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrTarget)
}
