package model_test

import (
	"os"
	"regexp"
	"testing"

	"odepipe/pkg/model"
	"odepipe/pkg/nn"
)

// The parser asks for keys by name; whatever it asks for is described, and nothing else is.
func TestEveryKeyThatTheParserReadsIsDescribed(t *testing.T) {
	source, err := os.ReadFile("parse.go")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{"type": true}
	for _, s := range model.Sections {
		for _, k := range s.Keys {
			described[k.Name] = true
		}
	}
	for _, kind := range nn.Kinds {
		for _, k := range kind.Keys {
			described[k.Name] = true
		}
	}
	read := map[string]bool{}
	asks := regexp.MustCompile(`\w+\.(?:value|text|choice|integer|number|positive|notNegative|boolean|table|tables)\("(\w+)"`)
	for _, match := range asks.FindAllSubmatch(source, -1) {
		read[string(match[1])] = true
	}
	if len(read) < 30 {
		t.Fatalf("only %d keys found in the parser", len(read))
	}
	for name := range read {
		if !described[name] {
			t.Errorf("key %q is not described", name)
		}
	}
	for name := range described {
		if !read[name] {
			t.Errorf("key %q is described, but nothing reads it", name)
		}
	}
}
