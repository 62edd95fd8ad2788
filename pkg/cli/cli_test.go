package cli_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"odepipe/pkg/cli"
	"odepipe/pkg/cli/clitest"
	"odepipe/pkg/tensor"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"toy": func() { cli.Main(toy()) }})
}

func TestTranscripts(t *testing.T) { clitest.Scripts(t, nil) }

// stuck is a numerical failure as a solver reports one.
type stuck struct{}

func (stuck) Error() string   { return "toy: step size underflow" }
func (stuck) Numerical() bool { return true }

// toy does on command what a program can do.
func toy() cli.Program {
	var rate float64
	var mode string
	return cli.Program{
		Name:    "toy",
		Purpose: "Do one thing that a program can do.",
		Usage:   "[ACTION]\n--mode MODE",
		MaxArgs: 1,
		Define: func(f *cli.Flags) {
			f.Float64Var(&rate, "rate", 0.5, "learning `RATE`, per step")
			cli.Choice(f, &mode, "mode", "slow", []string{"slow", "fast"}, "how to do it")
		},
		Run: func(c *cli.Context, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return act(c, args[0], rate, mode)
		},
		Input:    "whatever there is",
		Output:   "the same",
		Examples: "toy copy < a > b\ntoy show",
		Commands: []cli.Program{{
			Name: "init", Purpose: "Begin.", Usage: "[flags]", Input: "none", Output: "one word", Examples: "toy init\ntoy init -q",
			Run: func(*cli.Context, []string) error { fmt.Println("begun"); return nil },
		}},
	}
}

func act(c *cli.Context, action string, rate float64, mode string) error {
	switch action {
	case "show":
		fmt.Println(rate, mode, c.Flags.Changed("rate"), c.Threads == runtime.GOMAXPROCS(0), c.Threads)
	case "backend":
		for _, d := range []tensor.DType{tensor.Float64, tensor.Float32} {
			be, err := c.Backend(d)
			if err != nil {
				return err
			}
			fmt.Println(be.DType())
			be.Close()
		}
	case "copy":
		return copyStream(c)
	case "fail":
		return fmt.Errorf("batch 3:\nrow 2: %w", io.ErrUnexpectedEOF)
	case "diverge":
		return fmt.Errorf("batch 3: %w", errors.Join(errors.New("step 7"), stuck{}))
	case "panic":
		panic("toy: shape mismatch")
	case "signal":
		ctx := c.Signals()
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		<-ctx.Done()
		fmt.Println("saved")
	case "default-signal":
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(time.Minute)
	case "count":
		p := c.Progress(3, "mini-batches")
		for k := range 3 {
			time.Sleep(150 * time.Millisecond)
			p.Advance(1, fmt.Sprint("loss 0.", k))
		}
		c.Note("counted")
		c.Warn("too slow")
	case "log":
		c.Log(map[string]any{"loss": math.NaN(), "step": 4})
		c.Log(struct {
			Loss cli.Number `json:"loss"`
		}{0.25})
		c.Log(struct{}{})
	case "rotate":
		for step := range 3 {
			if step == 1 {
				if err := os.Rename("run.jsonl", "run.jsonl.1"); err != nil {
					return err
				}
			}
			c.Log(map[string]any{"step": step})
		}
	}
	return nil
}

func copyStream(c *cli.Context) error {
	in, err := c.Input()
	if err != nil {
		return err
	}
	out, err := c.Output()
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}
