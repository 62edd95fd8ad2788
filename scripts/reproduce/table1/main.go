// Table1 compares derivatives with the truth:
//
//	table1 grad|hessian|p STREAM TRUTH...
//
// It reads odebackward's streams, of one mini-batch each, and prints |g - g*| / |g*| over the parameters of all ODE blocks,
// then the evaluations of F forwards and backwards that STREAM tells of. g is, by role,
//
//	grad      dL/dtheta
//	hessian   the estimated diagonal of d^2 L / dtheta^2
//	p         the diagonal of E_b[sum_i p_i p_i^T], from the rows of Proposition 2
//
// and g* the mean of the same over the TRUTH streams: equal shares of the mini-batch. scripts/reproduce/table1.sh runs it.
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"odepipe/pkg/model"
	"odepipe/pkg/wire"
)

var (
	errUsage  = errors.New("usage: table1 grad|hessian|p STREAM TRUTH...")
	errStream = errors.New("not the stream that is wanted")
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "table1:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// run prints the line.
func run(out io.Writer, args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	role := wire.Role(args[0])
	switch role {
	case wire.Grad, wire.Hessian, wire.P:
	default:
		return errUsage
	}
	own, err := read(args[1], role)
	if err != nil {
		return err
	}
	truth := make([]float64, len(own.values))
	for _, path := range args[2:] {
		share, err := read(path, role)
		if err != nil {
			return err
		}
		if len(share.values) != len(truth) {
			return fmt.Errorf("%s: %d values, not the %d of %s: %w", path, len(share.values), len(truth), args[1], errStream)
		}
		for i, v := range share.values {
			truth[i] += v / float64(len(args)-2)
		}
	}
	_, err = fmt.Fprintf(out, "%.2e %g %g\n", relative(own.values, truth), own.forwards, own.backwards)
	return err
}

// derivative is what a stream says of the parameters of all ODE blocks, one after the other.
type derivative struct {
	values              []float64
	forwards, backwards float64 // evaluations of F
}

// read takes a derivative from a stream's first mini-batch. Errors wrap errStream or are pkg/wire's, with the path.
func read(path string, role wire.Role) (derivative, error) {
	f, err := os.Open(path)
	if err != nil {
		return derivative{}, err
	}
	defer f.Close()
	d, err := parse(wire.NewTensorReader(f, wire.Limits{}), role)
	if err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

func parse(r *wire.TensorReader, role wire.Role) (d derivative, err error) {
	header, _, err := r.Header()
	if err != nil {
		return d, err
	}
	if err := header.Want(wire.Gradient); err != nil {
		return d, err
	}
	spec, err := model.Parse(header.Model)
	if err != nil {
		return d, err
	}
	net, err := model.NewNetwork(spec)
	if err != nil {
		return d, err
	}
	var set wire.Set
	if err := r.Next(&set); err != nil {
		return d, err
	}
	d.forwards, _ = set.Scalar("nfe_forward")
	d.backwards, _ = set.Scalar("nfe_backward")
	for _, segment := range net.Segments {
		if segment.ODE == nil {
			continue
		}
		for _, param := range net.Params[segment.Params[0]:segment.Params[1]] {
			values := valuesOf(&set, role, param.Name, param.Shape.Size())
			if values == nil {
				return d, fmt.Errorf("no %s of %s: %w", role, param.Name, errStream)
			}
			d.values = append(d.values, values...)
		}
	}
	return d, nil
}

// valuesOf is the derivative for one parameter of that size, nil if the set lacks it.
func valuesOf(set *wire.Set, role wire.Role, name string, size int) []float64 {
	if role == wire.P {
		return diagonal(set, name, size)
	}
	t := set.Find(role, name)
	if t == nil || t.Value.Len() != size {
		return nil
	}
	values := make([]float64, size)
	for i := range values {
		values[i] = t.Value.At(i)
	}
	return values
}

// diagonal is E_b[sum_i p_i^2], element by element. A set calls the only vector's rows by the parameter's name, else those
// of vector i NAME.i.
func diagonal(set *wire.Set, name string, size int) []float64 {
	var sum []float64
	for i := 0; ; i++ {
		rows := set.Find(wire.P, fmt.Sprintf("%s.%d", name, i))
		if rows == nil && i == 0 {
			rows = set.Find(wire.P, name)
		}
		if rows == nil || rows.Value.Len() == 0 || rows.Value.Len()%size != 0 {
			return sum
		}
		if sum == nil {
			sum = make([]float64, size)
		}
		samples := float64(rows.Value.Len() / size)
		for k := range rows.Value.Len() {
			p := rows.Value.At(k)
			sum[k%size] += p * p / samples
		}
	}
}

// relative is |x - want| / |want| in the Euclidean norm.
func relative(x, want []float64) float64 {
	difference, norm := 0.0, 0.0
	for i := range want {
		difference += (x[i] - want[i]) * (x[i] - want[i])
		norm += want[i] * want[i]
	}
	return math.Sqrt(difference / norm)
}
