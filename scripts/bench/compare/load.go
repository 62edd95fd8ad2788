package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// busyShare is from what share of the processors on that others take a figure is said to be disturbed.
const busyShare = 0.05

// ticks is Linux's unit of processor time, a second's hundredth whatever the kernel's own.
const ticks = 100

// processors is what /proc/stat tells of all processors since the machine started, in seconds: the time there was, and
// the part of it in which they worked, for this machine or for another one beside it. Zeros where there is no such file.
type processors struct{ all, busy float64 }

func readProcessors() processors {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return processors{}
	}
	return parseProcessors(string(text))
}

// parseProcessors reads the line "cpu user nice system idle iowait irq softirq steal guest guest_nice"; the guests' time is part of
// the users'.
func parseProcessors(text string) processors {
	line, _, _ := strings.Cut(text, "\n")
	var p processors
	for i, word := range strings.Fields(line) {
		if i == 0 || i > 8 {
			continue
		}
		n, _ := strconv.ParseFloat(word, 64)
		p.all += n / ticks
		if i != 4 && i != 5 {
			p.busy += n / ticks
		}
	}
	return p
}

// othersSince is the share of the processors since p that went neither idle nor to those who used own of it.
func (p processors) othersSince(now processors, own time.Duration) float64 {
	if now.all <= p.all {
		return 0
	}
	return max(0, (now.busy-p.busy-own.Seconds())/(now.all-p.all))
}
