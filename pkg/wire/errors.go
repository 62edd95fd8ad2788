package wire

import "errors"

// What can be wrong with a stream or file. Errors of this package wrap one of these, or an error of the operating
// system, and say in which batch and tensor.
var (
	ErrEmpty     = errors.New("wire: empty stream")
	ErrNotArrow  = errors.New("wire: not an Arrow stream")
	ErrTruncated = errors.New("wire: stream ends without its end marker")
	ErrCorrupt   = errors.New("wire: damaged data")
	ErrLimit     = errors.New("wire: larger than the limit")
	ErrChecksum  = errors.New("wire: checksum differs from the data")
	ErrVersion   = errors.New("wire: unknown version")
	ErrNobody    = errors.New("wire: a FIFO without a writer")
	ErrKind      = errors.New("wire: wrong kind of stream")
	ErrTable     = errors.New("wire: not the columns of the table")
)
