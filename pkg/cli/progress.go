package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Redraws of the progress line, and the distance of whole lines where standard error is not a terminal.
const (
	redraw   = 100 * time.Millisecond
	interval = 10 * time.Second
)

// Progress shows how far a program is: one rewritten line on a terminal, whole lines elsewhere, or nothing.
type Progress struct {
	context     *Context
	unit        string
	note        string
	total, done int64
	begin, last time.Time
	bar         *progressbar.ProgressBar // nil unless on a terminal
	lines       bool
}

// Progress starts to count to total, or without an end if total is negative; unit is a plural, "mini-batches".
//
// --progress=always shows it as a rewritten line if standard error is a terminal, else as a line every ten seconds and
// one at the end. auto shows the rewritten line if standard error is a terminal and standard output is no pipe: of a
// pipeline's programs only the last draws. -q and never show nothing.
func (c *Context) Progress(total int64, unit string) *Progress {
	now := time.Now()
	p := &Progress{context: c, unit: unit, total: total, begin: now, last: now}
	terminal := isTerminal(os.Stderr)
	always := c.progressMode == "always"
	auto := c.progressMode == "auto" && !c.Quiet && !isPipe(os.Stdout)
	p.lines = always && !terminal
	if terminal && (always || auto) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionSetDescription(c.name),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(unit),
			progressbar.OptionClearOnFinish(),
		)
	}
	c.progress = p
	return p
}

// Advance counts n more; note, if not empty, stands beside the count: "loss 0.31".
func (p *Progress) Advance(n int64, note string) {
	p.done += n
	p.note = note
	switch {
	case p.bar != nil && time.Since(p.last) >= redraw:
		p.last = time.Now()
		p.bar.Describe(p.caption())
		p.bar.Set64(p.done)
	case p.lines && time.Since(p.last) >= interval:
		p.last = time.Now()
		p.line()
	}
}

// caption is what stands before the bar.
func (p *Progress) caption() string {
	if p.note == "" {
		return p.context.name
	}
	return p.context.name + ": " + p.note
}

// line writes the count, the rate and the note as a whole line.
func (p *Progress) line() {
	count := fmt.Sprint(p.done)
	if p.total >= 0 {
		count = fmt.Sprintf("%d of %d", p.done, p.total)
	}
	rate := float64(p.done) / max(time.Since(p.begin).Seconds(), 1e-9)
	if p.note == "" {
		p.context.say("%s %s, %.3g/s", count, p.unit, rate)
	} else {
		p.context.say("%s %s, %.3g/s, %s", count, p.unit, rate, p.note)
	}
}

// stopProgress removes the progress line or writes the last of the whole lines.
func (c *Context) stopProgress() {
	p := c.progress
	c.progress = nil
	switch {
	case p == nil:
	case p.bar != nil:
		p.bar.Clear()
	case p.lines:
		p.line()
	}
}

// clearProgress makes room for a message; the next Advance draws again.
func (c *Context) clearProgress() {
	if c.progress != nil && c.progress.bar != nil {
		c.progress.bar.Clear()
	}
}
