// Docs fills the tables of docs/*.md from those of the code:
//
//	go run ./scripts/docs
//
// What lies between the lines <!-- table NAME --> and <!-- end --> is replaced; the rest is written by hand.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"odepipe/pkg/adjoint"
	"odepipe/pkg/loss"
	"odepipe/pkg/model"
	"odepipe/pkg/nn"
	"odepipe/pkg/ode"
	"odepipe/pkg/peek"
)

func main() {
	pages, err := filepath.Glob("docs/*.md")
	for _, page := range pages {
		if err == nil {
			err = refresh(page)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// refresh fills the tables of a page.
func refresh(page string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text, err := fill(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(text), 0o666)
}

var place = regexp.MustCompile(`(?s)<!-- table ([a-z-]+) -->\n.*?<!-- end -->`)

// fill is the text with its tables as the code has them now.
func fill(text string) (string, error) {
	all := tables()
	var err error
	text = place.ReplaceAllStringFunc(text, func(old string) string {
		name := place.FindStringSubmatch(old)[1]
		t, known := all[name]
		if !known {
			err = fmt.Errorf("unknown table %q", name)
		}
		return fmt.Sprintf("<!-- table %s -->\n%s<!-- end -->", name, t)
	})
	return text, err
}

// tables are all tables by name, in Markdown.
func tables() map[string]string {
	all := map[string]string{
		"samples": columns(peek.SampleColumns), "tensors": columns(peek.TensorColumns), "trace": columns(peek.TraceColumns),
		"layers": layers(),
	}
	for _, s := range model.Sections {
		rows := [][]string{{"key", "default", "meaning"}}
		for _, k := range s.Keys {
			rows = append(rows, []string{code(k.Name), fallback(k.Default), k.Doc})
		}
		all[strings.ReplaceAll(s.Name, "_", "-")] = markdown(rows)
	}
	rows := [][]string{{"method", "order", "steps", "what it is"}}
	for _, m := range ode.Methods {
		steps := "of one size"
		if m.Adaptive() {
			steps = "chosen"
		}
		rows = append(rows, []string{code(m.Name), fmt.Sprint(m.Order), steps, m.Doc})
	}
	all["methods"] = markdown(rows)
	rows = [][]string{{"key", "values"}}
	var losses, gradients []string
	for _, l := range loss.Table {
		losses = append(losses, code(l.Name))
	}
	for _, m := range adjoint.Methods {
		gradients = append(gradients, code(string(m)))
	}
	for _, c := range []struct {
		key    string
		values []string
	}{{"loss", losses}, {"adjoint.method", gradients}, {"solver.controller", codes(ode.Controllers)}, {"solver.control", codes(ode.Controls)},
		{"divergence", codes(model.Divergences)}, {"channels", codes(model.Channels)}} {
		rows = append(rows, []string{code(c.key), strings.Join(c.values, ", ")})
	}
	all["values"] = markdown(rows)
	return all
}

func columns(list []peek.ColumnWords) string {
	rows := [][]string{{"column", "type", "meaning"}}
	for _, c := range list {
		rows = append(rows, []string{code(c.Name), c.Type, c.Meaning})
	}
	return markdown(rows)
}

// layers is a table of all types of layers with their keys.
func layers() string {
	rows := [][]string{{"type", "what it computes", "keys beside type and name"}}
	for _, kind := range nn.Kinds {
		var keys []string
		for _, k := range kind.Keys {
			keys = append(keys, fmt.Sprintf("%s: %s (%s)", code(k.Name), k.Doc, fallback(k.Default)))
		}
		rows = append(rows, []string{code(kind.Name), kind.Doc, strings.Join(keys, "; ")})
	}
	return markdown(rows)
}

// fallback is a default in words.
func fallback(value string) string {
	if value == "" {
		return "required"
	}
	return value
}

func code(word string) string { return "`" + word + "`" }

func codes(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = code(w)
	}
	return out
}

// markdown writes rows, the first of which is the head.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, cell := range row {
			cells[j] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}
