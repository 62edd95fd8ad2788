// Plot draws the curves of runs over steps and over wall-clock time, or writes a report on one:
//
//	go run ./scripts/plot -o curves.png RUNDIR...
//	go run ./scripts/plot -report report.html RUNDIR
//
// Each RUNDIR is one of scripts/train.sh; the picture's ending chooses its format (png, svg, pdf).
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "curves.png", "picture to write: .png, .svg or .pdf")
	page := flag.String("report", "", "write a report on the one RUNDIR as HTML instead")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: plot [-o curves.png | -report report.html] RUNDIR...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 || *page != "" && flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out, *page, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// write reads the runs and writes the picture, or the report.
func write(picture, page string, folders []string) error {
	runs := make([]*run, len(folders))
	for i, folder := range folders {
		var err error
		if runs[i], err = readRun(folder); err != nil {
			return err
		}
	}
	if page != "" {
		return writeReport(page, runs[0])
	}
	return drawPicture(picture, group(runs))
}
