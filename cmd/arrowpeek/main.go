// Arrowpeek looks into odepipe's streams and files and changes nothing.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"odepipe/pkg/cli"
	"odepipe/pkg/peek"
	"odepipe/pkg/wire"
)

func main() { cli.Main(program()) }

func program() cli.Program {
	var o peek.Options
	var asJSON, asCSV, pass bool
	return cli.Program{
		Name:    "arrowpeek",
		Purpose: "Say what a stream or file of odepipe holds, a line for each tensor.",
		Usage:   "[FILE] [flags]\ndiff A B [flags]",
		MaxArgs: 1,
		Define: func(f *cli.Flags) {
			filterFlags(f, &o.Filter)
			f.BoolVar(&o.Values, "values", false, "print every number too")
			f.BoolVar(&o.Spectrum, "spectrum", true, "find the condition number and the eigenvalues of Kronecker factors")
			f.BoolVar(&asJSON, "json", false, "print JSON, an object a line: the header, then the tensors")
			f.BoolVar(&asCSV, "csv", false, "print CSV: a row for each tensor, with --values for each number")
			f.BoolVar(&pass, "pass", false, "copy the input to standard output unchanged, and report on standard error")
			f.StringVar(&o.Pictures, "png", "", "draw images, and weights of convolutions, into `DIR`")
		},
		Run: func(c *cli.Context, args []string) error {
			switch {
			case asJSON && asCSV:
				return cli.Usage("--json and --csv exclude each other")
			case asJSON:
				o.Format = "json"
			case asCSV:
				o.Format = "csv"
			default:
				o.Format = "text"
			}
			if err := checkFilter(o.Filter); err != nil {
				return err
			}
			if o.Pictures != "" {
				if err := os.MkdirAll(o.Pictures, 0o777); err != nil {
					return fmt.Errorf("--png: %w", err)
				}
			}
			o.Threads = c.Threads
			in, name, err := open(c, append(args, "-")[0])
			if err != nil {
				return err
			}
			defer in.Close()
			if pass {
				return passOn(c, in, name, o)
			}
			return report(in, name, os.Stdout, o)
		},
		Input:  "any stream or checkpoint of odepipe, unless FILE is one; - is standard input",
		Output: "the report; with --pass, the input",
		Examples: `arrowpeek ck.arrow --role=param
datagen mnist --count=1 | arrowpeek --pass | odeforward --params=ck.arrow | arrowpeek --name='*.x1'
arrowpeek diff before.arrow after.arrow --tol=1e-6`,
		Commands: []cli.Program{diffProgram()},
	}
}

func filterFlags(f *cli.Flags, filter *peek.Filter) {
	f.Int64Var(&filter.Step, "step", -1, "only step `N`; -1 for all")
	f.StringVar(&filter.Name, "name", "", "only tensors whose names match `PATTERN`, in which * and ? stand for any characters")
	f.StringVar(&filter.Role, "role", "", "only tensors of `ROLE`: param, grad, kron_a, kron_b, scalar, ...; column or trace for columns of these tables")
}

func checkFilter(f peek.Filter) error {
	if f.Step < -1 {
		return cli.Usage("--step %d: it must be 0 or more, or -1 for all", f.Step)
	}
	if err := f.Check(); err != nil {
		return cli.Usage("--name %s: %v", f.Name, err)
	}
	return nil
}

// open opens a file, or standard input for "-".
func open(c *cli.Context, path string) (*os.File, string, error) {
	if path == "-" {
		if _, err := c.Input(); err != nil {
			return nil, "", err
		}
		return os.Stdin, "standard input", nil
	}
	f, err := os.Open(path)
	return f, path, err
}

// report writes what a stream holds.
func report(in io.Reader, name string, to io.Writer, o peek.Options) error {
	out := bufio.NewWriter(to)
	s, err := wire.OpenStream(in, wire.Limits{})
	if err == nil {
		err = peek.Report(s, out, o)
	}
	if closing := out.Flush(); err == nil {
		return closing
	}
	return fmt.Errorf("%s: %w", name, err)
}

// passOn reports on standard error while the input goes to standard output, whatever the report thinks of it.
func passOn(c *cli.Context, in io.Reader, name string, o peek.Options) error {
	out, err := c.Output()
	if err != nil {
		return err
	}
	err = report(io.TeeReader(in, out), name, os.Stderr, o)
	if _, copying := io.Copy(out, in); err == nil {
		err = copying
	}
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}
