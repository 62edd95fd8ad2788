// Package wire reads and writes the two tables that odepipe's commands exchange, as Arrow IPC streams and files, and
// a third for their users.
//
//	sample table   one row per sample, one batch per mini-batch      SampleWriter -> SampleReader
//	tensor table   one row per tensor, one batch per step (a Set)    TensorWriter -> TensorReader, ParamSource
//	checkpoint     a tensor table of one Set, as an Arrow file       Checkpoint.Save -> ReadCheckpoint
//	trace          one row per attempted solver step, one batch per mini-batch; TraceWriter -> TraceReader
//	any of them    to be looked at                                   OpenStream
//
//	bytes -> guard (limits, structure, end marker) -> table (columns, checksums) -> host slices, where the bytes lie
//
// Input is not trusted: whatever the bytes, a reader returns a table or an error, never panics, and allocates in
// proportion to what it has really received. Absent from it on purpose: nulls but for the trace's, dictionaries, compression, big-endian
// data, and any knowledge of what the tensors mean.
package wire
