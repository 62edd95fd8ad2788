package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"odepipe/pkg/tensor"
)

// ParamSource gives the parameters of one batch after the other.
//
// Header waits until the header has come. Next returns the parameters of the next batch, which stay as they are until
// the next call; io.EOF after the last, when the end of the stream is proven. Fixed says, after Header, that
// every batch has the same parameters: a checkpoint's. Close ends it at any time.
type ParamSource interface {
	Header() (Header, tensor.DType, error)
	Next() (*Set, error)
	Fixed() bool
	Close() error
}

// OpenParams opens parameters; "-" is standard input. An Arrow file is read once and serves every batch. A stream gives
// one set per batch; if it comes from a program, from a pipe or FIFO, it is opened and read on the side as fast as it
// comes and kept until Next asks: then no order in which the programs of a ring read and write can block them.
//
// It returns what opening returned. ErrNobody comes from Header and Next if nobody opens a FIFO for writing in time. Everything else that can be wrong is returned, with the path, by Header and Next,
// as TensorReader and ReadCheckpoint do; ErrKind for a stream of other things than parameters.
func OpenParams(path string, l Limits) (ParamSource, error) {
	if path == "-" {
		return readAhead(path, func() (*os.File, error) { return os.Stdin, nil }, l), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	open := func() (*os.File, error) { return os.Open(path) }
	if !info.Mode().IsRegular() {
		return readAhead(path, open, l), nil
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	return newParams(path, f, l), nil
}

// params reads parameters when Next is called.
type params struct {
	path   string
	file   *os.File
	reader *TensorReader
	header Header
	dtype  tensor.DType
	fixed  *Set  // of a checkpoint
	set    Set   // the latest of a stream
	broken error // of the header
	err    error // of Next
}

// newParams takes the file, looks whether it is a checkpoint or a stream, and reads the one or the other's header.
func newParams(path string, f *os.File, l Limits) *params {
	p := &params{path: path, file: f}
	buffer := bufio.NewReaderSize(f, 16) // to look ahead; everything larger passes it by
	if head, _ := buffer.Peek(len(magic)); bytes.Equal(head, magic) {
		var c *Checkpoint
		if c, p.broken = readCheckpoint(f, buffer, l); p.broken == nil {
			p.header, p.dtype, p.fixed = c.Header, c.DType, &c.Set
		}
	} else {
		p.reader = NewTensorReader(buffer, l)
		if p.header, p.dtype, p.broken = p.reader.Header(); p.broken == nil {
			p.broken = p.header.Want(Params)
		}
	}
	p.broken = p.where(p.broken)
	return p
}

// where says which file an error is about; the end is none.
func (p *params) where(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("%s: %w", p.path, err)
}

func (p *params) Header() (Header, tensor.DType, error) { return p.header, p.dtype, p.broken }
func (p *params) Fixed() bool                           { return p.fixed != nil }
func (p *params) Close() error                          { return p.file.Close() }

func (p *params) Next() (*Set, error) {
	switch {
	case p.broken != nil:
		return nil, p.broken
	case p.err != nil:
		return nil, p.err
	case p.fixed != nil:
		return p.fixed, nil
	}
	if p.err = p.where(p.reader.Next(&p.set)); p.err != nil {
		return nil, p.err
	}
	return &p.set, nil
}

// ahead reads parameters on the side and keeps copies until they are asked for.
type ahead struct {
	mu     sync.Mutex
	news   *sync.Cond // something below has changed
	file   *os.File
	source *params // once the header has come
	queue  []*Set
	given  *Set  // by the last Next
	free   *Set  // given before that: its memory is for the next copy
	err    error // what comes after the queue
	closed bool
	alarm  *time.Timer // while nobody has opened the other end
}

var _, _ ParamSource = (*params)(nil), (*ahead)(nil)

func readAhead(path string, open func() (*os.File, error), l Limits) *ahead {
	a := &ahead{}
	a.news = sync.NewCond(&a.mu)
	patience := l.orDefault().Opening
	a.alarm = time.AfterFunc(patience, func() {
		a.tell(func() {
			if a.file == nil && a.err == nil {
				a.err = fmt.Errorf("%s: no program has opened it for writing within %v: %w", path, patience, ErrNobody)
			}
		})
	})
	go a.read(path, open, l)
	return a
}

// read opens the file and fills the queue, until the end, an error, or Close.
func (a *ahead) read(path string, open func() (*os.File, error), l Limits) {
	f, err := open()
	if err != nil {
		a.tell(func() { a.err = err })
		return
	}
	a.alarm.Stop()
	closed := false
	if a.tell(func() { a.file, closed = f, a.closed }); closed {
		f.Close()
		return
	}
	p := newParams(path, f, l)
	if p.broken != nil {
		a.tell(func() { a.err = p.broken })
		return
	}
	a.tell(func() { a.source = p })
	for p.fixed == nil {
		set, err := p.Next()
		if err != nil {
			a.tell(func() { a.err = err })
			return
		}
		var own *Set
		a.tell(func() { own, a.free = a.free, nil })
		if own == nil {
			own = &Set{}
		}
		own.Copy(set)
		a.tell(func() { a.queue = append(a.queue, own) })
	}
}

// tell changes the state and wakes who waits.
func (a *ahead) tell(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	a.news.Broadcast()
}

// await waits until the condition holds, or an error or Close makes it vain; the lock is then held.
func (a *ahead) await(condition func() bool) {
	a.mu.Lock()
	for !condition() && a.err == nil {
		a.news.Wait()
	}
}

func (a *ahead) Header() (Header, tensor.DType, error) {
	a.await(func() bool { return a.source != nil })
	defer a.mu.Unlock()
	if a.source == nil {
		return Header{}, "", a.err
	}
	return a.source.header, a.source.dtype, nil
}

func (a *ahead) Fixed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.source != nil && a.source.fixed != nil
}

func (a *ahead) Next() (*Set, error) {
	a.await(func() bool { return len(a.queue) > 0 || a.source != nil && a.source.fixed != nil })
	defer a.mu.Unlock()
	switch {
	case len(a.queue) > 0:
		a.free, a.given = a.given, a.queue[0]
		a.queue = a.queue[1:]
		return a.given, nil
	case a.err != nil:
		return nil, a.err
	}
	return a.source.fixed, nil
}

func (a *ahead) Close() error {
	var f *os.File
	a.tell(func() {
		a.closed = true
		f = a.file
		if a.err == nil {
			a.err = os.ErrClosed
		}
	})
	if f == nil { // still waiting for somebody to open the other end
		return nil
	}
	return f.Close()
}
