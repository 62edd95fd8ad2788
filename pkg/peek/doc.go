// Package peek looks into odepipe's streams and files: what they hold, tensor by tensor, and how two of them differ.
//
//	stream -> batches of Items (a tensor, a column of samples, or a column of a trace) -> Statistics -> a line each
//
// It changes nothing and computes nothing that a training needs.
package peek
