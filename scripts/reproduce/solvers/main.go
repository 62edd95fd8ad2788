// Solvers measures error and cost of every method of pkg/ode on problems whose end states are known:
//
//	solvers [--truth ode_table.json] [--problems NAME,...] [--methods NAME,...] [-o PICTURE.png|.svg|.pdf]
//
// scripts/reproduce/solvers.sh builds and runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"odepipe/pkg/ode"
)

// errUsage says that a flag names what there is not.
var errUsage = errors.New("wrong usage")

func main() {
	picture := flag.String("o", "", "draw the results into this `FILE`: .png, .svg or .pdf")
	truth := flag.String("truth", "", "take exact end states from this JSON `FILE`; without it dopri8 at 1e-13 stands in")
	only := flag.String("problems", "", "only these problems, a comma between `NAMES`")
	by := flag.String("methods", "", "only these methods, a comma between `NAMES`")
	flag.Parse()
	err := run(os.Stdout, *picture, *truth, *only, *by, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "solvers:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// run measures, prints and draws.
func run(out io.Writer, picture, truth, only, by string, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%w: unexpected %q", errUsage, rest[0])
	}
	if picture != "" {
		if _, err := formatOf(picture); err != nil {
			return err
		}
	}
	chosen, err := choose(problems, only, func(p problem) string { return p.name })
	if err != nil {
		return fmt.Errorf("--problems: %w", err)
	}
	methods, err := choose(ode.Methods, by, func(m ode.Scheme) string { return m.Name })
	if err != nil {
		return fmt.Errorf("--methods: %w", err)
	}
	if truth == "" {
		fmt.Fprintf(out, "no golden end states on this machine: dopri8 at %g stands in, errors near 1e-11 may be its own\n", standInTolerance)
		err = standIn(chosen)
	} else {
		err = readTruth(truth, chosen)
	}
	if err != nil {
		return err
	}
	results := measureAll(chosen, methods, func(r result) { fmt.Fprintln(out, r) })
	summarise(out, chosen, methods, results)
	if picture == "" {
		return nil
	}
	return drawPicture(picture, chosen, methods, results)
}

// choose takes the items whose names are in a list, all if that is empty. The error wraps errUsage.
func choose[T any](all []T, list string, name func(T) string) ([]T, error) {
	if list == "" {
		return slices.Clone(all), nil
	}
	var chosen []T
	for _, want := range strings.Split(list, ",") {
		i := slices.IndexFunc(all, func(item T) bool { return name(item) == want })
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no %q", errUsage, want)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
