package pipeline

import (
	"time"
)

// BatchRecord says where a stage's time went for one mini-batch, for the log; seconds of wall-clock time.
type BatchRecord struct {
	Step    int64   `json:"step"`
	Loss    float64 `json:"loss"`    // mean
	Wait    float64 `json:"wait"`    // for the mini-batch and its parameters, decoding included
	Compute float64 `json:"compute"` // from parameters to results
	Write   float64 `json:"write"`   // encoding, of gradients from where they were computed, and a full pipe
}

// stopwatch fills a BatchRecord.
type stopwatch struct{ last time.Time }

// lap is the time since the lap before, in seconds.
func (w *stopwatch) lap() float64 {
	now := time.Now()
	d := now.Sub(w.last)
	w.last = now
	return d.Seconds()
}
