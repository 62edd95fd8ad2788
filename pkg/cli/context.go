package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Context is what a running program gets: the common flags, its streams, and ways to say something.
type Context struct {
	Flags   *Flags // all flags as parsed; Flags.Changed(name) tells a given one from a default
	Threads int    // how many threads to compute with, at least 1
	Quiet   bool   // -q: errors only
	Verbose bool   // -v: notes, and the trace of an internal error

	name          string
	deviceName    string
	device        device
	tf32          bool
	kernels       string
	progressMode  string
	logPath       string
	help, version bool

	log      *os.File
	logErr   error
	progress *Progress
}

// define adds the flags that all programs share.
func (c *Context) define(f *Flags) {
	f.IntVar(&c.Threads, "threads", 0, "compute with `N` threads; 0 takes all cores available")
	f.StringVar(&c.deviceName, "device", "cpu", "compute on `DEVICE`: cpu, or cuda[:N] where the build has it")
	f.BoolVar(&c.tf32, "tf32", false, "on a GPU, let large matrix products round their factors to TF32")
	Choice(f, &c.kernels, "cpu", "auto", []string{"auto", "avx512", "avx2", "generic"},
		"kernels of the processor; auto: the fastest it has, or none above what ODEPIPE_CPU names")
	Choice(f, &c.progressMode, "progress", "auto", []string{"auto", "always", "never"},
		"progress on standard error; auto: on a terminal, and only the last program of a pipeline")
	f.StringVar(&c.logPath, "log", "", "append JSON lines to `FILE`; when it was renamed they go to a new one")
	f.BoolVarP(&c.Quiet, "quiet", "q", false, "say nothing but errors")
	f.BoolVarP(&c.Verbose, "verbose", "v", false, "say more")
	f.BoolVarP(&c.help, "help", "h", false, "print this help")
	f.BoolVar(&c.version, "version", false, "print the version")
}

// open checks the common flags and puts them into effect.
func (c *Context) open() error {
	if c.Threads < 0 {
		return Usage("--threads %d: it must be 0 or more", c.Threads)
	}
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	runtime.GOMAXPROCS(c.Threads)
	if c.Quiet && c.Verbose {
		return Usage("-q and -v contradict each other")
	}
	if c.Quiet && c.progressMode == "always" {
		return Usage("-q and --progress=always contradict each other")
	}
	if err := c.parseDevice(); err != nil {
		return err
	}
	return c.openLog()
}

// close ends the progress line and the log; it returns what went wrong with the log.
func (c *Context) close() error {
	c.stopProgress()
	return c.closeLog()
}

// Input is standard input for a binary stream. A terminal there is a usage error: nobody types one.
func (c *Context) Input() (io.Reader, error) {
	if isTerminal(os.Stdin) {
		return nil, Usage("standard input is a terminal; this program reads a stream from a pipe or a file")
	}
	return os.Stdin, nil
}

// Output is standard output for a binary stream; closing it tells the reader that nothing more comes. A terminal there is
// a usage error.
func (c *Context) Output() (io.WriteCloser, error) {
	if isTerminal(os.Stdout) {
		return nil, Usage("standard output is a terminal and the output is binary; send it into a pipe or a file")
	}
	return os.Stdout, nil
}

// Signals is a context that the first SIGINT or SIGTERM cancels, for programs that must save something first; a second
// signal kills. Programs that do not call it die of the first.
func (c *Context) Signals() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

// Note says something with -v only.
func (c *Context) Note(format string, args ...any) {
	if c.Verbose {
		c.clearProgress()
		c.say(format, args...)
	}
}

// Warn says something unless -q.
func (c *Context) Warn(format string, args ...any) {
	if !c.Quiet {
		c.clearProgress()
		c.say("warning: "+format, args...)
	}
}

// isTerminal reports whether a file is a terminal: only terminals have a window size.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// isPipe reports whether a file is a pipe or FIFO.
func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}
