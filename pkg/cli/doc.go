// Package cli gives the executables one set of manners: flags, streams, exit status, messages and progress.
//
//	func main() { cli.Main(cli.Program{Name: "odeforward", ..., Define: flags, Run: run}) }
//
//	arguments -> Define's and the common flags -> Run(context, positional arguments) -> error -> exit status
//	0 done   1 failed   2 wrong usage   3 numerical failure   SIGPIPE: the silent death that the system gives
//
// Everything said goes to standard error, one line a message, behind the program's name; standard output carries the
// result alone. Only Main exits. It knows no stream format and no numerics: an error is numerical if it says so
// itself. Configuration files, colours and logging levels are absent on purpose.
package cli
