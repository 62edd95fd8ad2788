package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// errProcess says that a program of the comparison ended badly.
var errProcess = errors.New("program failed")

// process is one program at work.
type process struct {
	name   string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ends   []*os.File // our copies of its ends of pipes, closed once it runs
}

// crew starts processes that work together: the first that fails, or the end of ctx, kills all of them.
type crew struct {
	parent, ctx context.Context
	cancel      context.CancelFunc
	members     []*process
	err         error // first failure of making a pipe
}

func newCrew(ctx context.Context) *crew {
	c := &crew{parent: ctx}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// add makes a process that reads in and writes out, nil for nothing; files become its descriptors 3, 4, ...
func (c *crew) add(in, out *os.File, files []*os.File, path string, args ...string) {
	p := &process{name: path[strings.LastIndexByte(path, '/')+1:], cmd: exec.CommandContext(c.ctx, path, args...)}
	p.cmd.WaitDelay = 5 * time.Second
	p.cmd.Stderr = &p.stderr
	p.cmd.ExtraFiles = files
	if in != nil {
		p.cmd.Stdin = in
	}
	if out != nil {
		p.cmd.Stdout = out
	}
	for _, f := range append([]*os.File{in, out}, files...) {
		if f != nil {
			p.ends = append(p.ends, f)
		}
	}
	c.members = append(c.members, p)
}

// pipe is a pipe between two processes to be added.
func (c *crew) pipe() (reader, writer *os.File) {
	reader, writer, err := os.Pipe()
	if err != nil && c.err == nil {
		c.err = err
	}
	return reader, writer
}

// run starts all processes and waits for them. The error wraps errProcess and has what they wrote to standard error,
// that of the first to fail first.
func (c *crew) run() error {
	defer c.cancel()
	type report struct {
		*process
		err error
	}
	reports := make(chan report)
	started := 0
	for _, p := range c.members {
		if c.err == nil {
			if c.err = p.cmd.Start(); c.err == nil {
				started++
				go func() { reports <- report{p, p.cmd.Wait()} }()
			}
		}
		for _, f := range p.ends {
			f.Close()
		}
	}
	if c.err != nil {
		c.cancel()
	}
	var cause *process
	err := c.err
	for range started {
		if r := <-reports; r.err != nil && err == nil {
			cause, err = r.process, fmt.Errorf("%s: %w: %w", r.name, errProcess, r.err)
			c.cancel()
		}
	}
	if outside := context.Cause(c.parent); outside != nil {
		return outside
	}
	if cause == nil {
		return err
	}
	messages := lastLines(cause)
	for _, p := range c.members {
		if p != cause {
			messages += lastLines(p)
		}
	}
	return fmt.Errorf("%w%s", err, messages)
}

// measure is run, with what the processes and others took.
func (c *crew) measure() (passage, error) {
	before := readProcessors()
	if err := c.run(); err != nil {
		return passage{}, err
	}
	p := passage{Memory: map[string]int64{}}
	own := time.Duration(0)
	for _, member := range c.members {
		p.Memory[member.name] = member.peak()
		own += member.cmd.ProcessState.UserTime() + member.cmd.ProcessState.SystemTime()
	}
	p.CPU = own.Seconds()
	p.Others = before.othersSince(readProcessors(), own)
	return p, nil
}

// lastLines is the end of what a process wrote to standard error, each line indented.
func lastLines(p *process) string {
	text := strings.TrimSpace(p.stderr.String())
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	return "\n    " + strings.Join(lines[max(0, len(lines)-12):], "\n    ")
}

// peak is the largest resident memory that an ended process had, in bytes. A kernel gives a new process that of its parent
// to begin with, so that no figure is below this program's own.
func (p *process) peak() int64 {
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(usage.Maxrss) * 1024
}
