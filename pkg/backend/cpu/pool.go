package cpu

import "sync/atomic"

// job is an operation cut into parts that do not depend on one another.
type job interface {
	part(i int, w *worker)
}

// worker is what one thread needs for itself, in cache lines of its own.
type worker struct {
	_         [lineFloats]float32
	number    int
	tile      tileCall
	dot       dotCall
	stream    streamCall
	transpose transposeCall
	nest      nestTables
	asleep    atomic.Bool
	wake      chan struct{}
	_         [lineFloats]float32
}

// pool runs jobs on the caller and threads-1 goroutines. Whoever is free claims the next part, so that a worker that
// the operating system keeps waiting delays nobody. The caller claims from the first part on, the workers from the last
// one back: of two threads each mostly has the same half of all jobs, which it finds in its own cache. An idle worker spins
// for a few microseconds, then sleeps.
type pool struct {
	workers []*worker // the caller's first
	job     job
	ticket  atomic.Uint64 // begin << 32 | end of the parts not yet claimed
	pending atomic.Int64  // parts not yet finished
	waiting atomic.Bool   // the caller sleeps until pending is 0
	done    chan struct{}
	closed  atomic.Bool
}

// spins is how often a thread looks for news before it sleeps: about twenty microseconds.
const spins = 32768

func newPool(threads int) *pool {
	p := &pool{done: make(chan struct{}, 1)}
	for i := 0; i < threads; i++ {
		p.workers = append(p.workers, &worker{number: i, wake: make(chan struct{}, 1)})
	}
	for _, w := range p.workers[1:] {
		go p.serve(w)
	}
	return p
}

func (p *pool) close() {
	p.closed.Store(true)
	for _, w := range p.workers[1:] {
		if w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// smallWork is the cost below which a job stays on the caller: waking a worker takes about as long.
const smallWork = 1 << 15

// partsFor is a sensible number of parts for n independent units that cost so many vector operations together:
// one if it is too little to share, else a few for each thread so that they finish together.
func (p *pool) partsFor(n, cost int) int {
	if len(p.workers) == 1 || cost < smallWork {
		return min(n, 1)
	}
	return min(n, 4*len(p.workers))
}

// run finishes all parts of the job.
func (p *pool) run(j job, parts int) { p.runIf(parts > 1, j, parts) }

// runIf finishes all parts of the job, on all threads if parallel, else on the caller.
func (p *pool) runIf(parallel bool, j job, parts int) {
	if !parallel || len(p.workers) == 1 {
		for i := 0; i < parts; i++ {
			j.part(i, p.workers[0])
		}
		return
	}
	p.job = j
	p.pending.Store(int64(parts))
	p.ticket.Store(uint64(parts))
	for _, w := range p.workers[1:min(parts, len(p.workers))] {
		if w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	p.work(p.workers[0])
	p.await()
}

// work claims and does parts until none is left.
func (p *pool) work(w *worker) {
	for {
		ticket := p.ticket.Load()
		if claimed(ticket) {
			return
		}
		part, left := int(ticket>>32), ticket+1<<32
		if w.number > 0 {
			part, left = int(uint32(ticket))-1, ticket-1
		}
		if p.ticket.CompareAndSwap(ticket, left) { // the job cannot end before this part
			p.job.part(part, w)
			if p.pending.Add(-1) == 0 {
				p.wakeCaller()
			}
		}
	}
}

// claimed says whether no part is left.
func claimed(ticket uint64) bool { return ticket>>32 == ticket&(1<<32-1) }

// wakeCaller wakes the caller if it sleeps.
func (p *pool) wakeCaller() {
	if p.waiting.CompareAndSwap(true, false) {
		p.done <- struct{}{}
	}
}

// await returns when all claimed parts are finished.
func (p *pool) await() {
	for i := 0; i < spins; i++ {
		if p.pending.Load() == 0 {
			return
		}
	}
	for p.pending.Load() != 0 {
		p.waiting.Store(true)
		if p.pending.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.done // perhaps from a worker that was held up since the job before: look again
	}
}

// serve is the life of a worker.
func (p *pool) serve(w *worker) {
	for !p.closed.Load() {
		p.work(w)
		for i := 0; i < spins && claimed(p.ticket.Load()); i++ {
		}
		if !claimed(p.ticket.Load()) {
			continue
		}
		w.asleep.Store(true)
		if (!claimed(p.ticket.Load()) || p.closed.Load()) && w.asleep.CompareAndSwap(true, false) {
			continue
		}
		<-w.wake
	}
}

// share is the range of units in part i of so many.
func share(units, i, parts int) (lo, hi int) { return units * i / parts, units * (i + 1) / parts }
