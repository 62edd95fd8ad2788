// Package pipeline is what each executable does between its streams, one function each:
//
//	batch --Forward--> state --Backward--> gradient --Train--> params
//	                   state --Evaluate--> figures
//
// It joins the halves that do not know each other: Arrow tables (wire) and arithmetic (model, adjoint, optim on a
// backend). It reads no flags and opens no terminal; that is package cli's.
package pipeline
