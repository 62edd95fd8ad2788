package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestALateWakeUpDoesNotEndTheNextJob lets the worker that finished the last part of a job be held up between that and
// its look whether the caller sleeps, until the caller waits for the next job.
func TestALateWakeUpDoesNotEndTheNextJob(t *testing.T) {
	p := newPool(1)
	p.pending.Store(1) // the next job, with one part at work
	var finished atomic.Bool
	go func() {
		awaitSleep(p)
		p.wakeCaller() // for the job before
		for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
			runtime.Gosched()
		}
		finished.Store(true)
		if p.pending.Add(-1) == 0 {
			p.wakeCaller()
		}
	}()
	p.await()
	if !finished.Load() {
		t.Error("the caller went on before the last part was finished")
	}
}

// awaitSleep returns when the caller of a pool sleeps, or is about to.
func awaitSleep(p *pool) {
	for !p.waiting.Load() {
		runtime.Gosched()
	}
}

// counting is a job that counts its parts.
type counting struct{ finished atomic.Int64 }

func (c *counting) part(int, *worker) { c.finished.Add(1) }

func TestEveryPartOfEveryJobIsFinishedWhenRunReturns(t *testing.T) {
	for _, threads := range []int{1, 2, 8} {
		p := newPool(threads)
		for round := range 2000 {
			var c counting
			parts := 2 + round%37
			if p.run(&c, parts); c.finished.Load() != int64(parts) {
				t.Fatalf("%d threads, job %d: %d of %d parts are finished", threads, round, c.finished.Load(), parts)
			}
		}
		p.close()
	}
}
