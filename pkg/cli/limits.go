package cli

import (
	"time"

	"odepipe/pkg/wire"
)

// LimitFlags adds --max-batch and --max-metadata, which bound what is read.
func LimitFlags(f *Flags, l *wire.Limits) {
	f.Int64Var(&l.Body, "max-batch", 16<<30, "refuse streams with a batch of more than so many `BYTES`")
	f.Int64Var(&l.Metadata, "max-metadata", 4<<20, "refuse streams with a model or another description of more than so many `BYTES`")
}

// WaitFlag adds --wait, which bounds how long a FIFO may have no writer.
func WaitFlag(f *Flags, l *wire.Limits) {
	f.DurationVar(&l.Opening, "wait", time.Minute, "give up if no program opens the FIFO of --params for writing within a `TIME`, such as 90s or 24h")
}

// CheckLimits refuses limits that are not above 0.
func CheckLimits(l wire.Limits) error {
	switch {
	case l.Body < 1:
		return Usage("--max-batch %d: it must be 1 or more", l.Body)
	case l.Metadata < 1:
		return Usage("--max-metadata %d: it must be 1 or more", l.Metadata)
	case l.Opening < 0:
		return Usage("--wait %v: it must be above 0", l.Opening)
	}
	return nil
}
