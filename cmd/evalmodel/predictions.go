package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"odepipe/pkg/cli"
	"odepipe/pkg/pipeline"
)

// predictions collects a CSV file, a row per sample. The file is made when all rows are known, and appears whole.
type predictions struct {
	path string
	rows bytes.Buffer
}

// newPredictions finds before any work whether the path can be a file's.
func newPredictions(path string) (*predictions, error) {
	if path == "-" {
		return nil, cli.Usage("--predictions -: standard output carries the figures; name a file")
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--predictions %s: it is not a regular file", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("--predictions: %w", err)
	}
	p := &predictions{path: path}
	p.rows.WriteString("index,loss,class,predicted\n")
	return p, nil
}

func (p *predictions) add(s pipeline.Prediction) {
	if s.HasClass {
		fmt.Fprintf(&p.rows, "%d,%g,%d,%d\n", s.Index, s.Loss, s.True, s.Class)
	} else {
		fmt.Fprintf(&p.rows, "%d,%g,,\n", s.Index, s.Loss)
	}
}

// save makes the file, under another name at first.
func (p *predictions) save() error {
	file, err := os.Create(p.path + ".partial")
	if err != nil {
		return fmt.Errorf("--predictions: %w", err)
	}
	_, err = file.Write(p.rows.Bytes())
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), p.path)
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("--predictions: %w", err)
	}
	return nil
}
