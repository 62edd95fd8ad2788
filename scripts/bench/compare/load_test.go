package main

import (
	"testing"
	"time"
)

func TestOthersShareOfTheProcessors(t *testing.T) {
	before := parseProcessors("cpu  1000 200 300 5000 100 10 20 30 7 7\ncpu0 1 1 1 1\n")
	near(t, "all", before.all, 66.6)
	near(t, "busy", before.busy, 15.6)
	// 20 s more, of them 14 busy: 10 of the users', 1 nice, 2 of the system's, 1 stolen
	after := parseProcessors("cpu  2000 300 500 5500 200 10 20 130 7 7\n")
	near(t, "others, when 9 s of them are ours", before.othersSince(after, 9*time.Second), 5./20)
	near(t, "others, when all of them are ours", before.othersSince(after, 15*time.Second), 0)
	near(t, "without /proc", processors{}.othersSince(processors{}, time.Second), 0)
}
