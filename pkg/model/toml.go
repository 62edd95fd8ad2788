package model

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// ErrModel is wrapped by every complaint about a model file.
var ErrModel = errors.New("model file")

// table reads one TOML table key by key. Every key that is asked for is valid; done complains of the others. The first
// error sticks.
type table struct {
	where string // "block 2: " or empty
	keys  map[string]any
	asked []string
	err   error
}

func parseTOML(text string) (*table, error) {
	t := &table{}
	if err := toml.Unmarshal([]byte(text), &t.keys); err != nil {
		var decode *toml.DecodeError
		if errors.As(err, &decode) {
			row, column := decode.Position()
			return nil, fmt.Errorf("%w: line %d, column %d: %w", ErrModel, row, column, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	return t, nil
}

func (t *table) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("%w: %s%s", ErrModel, t.where, fmt.Sprintf(format, args...))
	}
}

// value looks a key up; a missing one is an error if required.
func (t *table) value(key string, required bool) (any, bool) {
	t.asked = append(t.asked, key)
	v, ok := t.keys[key]
	if !ok && required {
		t.fail("key %q is missing", key)
	}
	return v, ok
}

func (t *table) text(key, fallback string, required bool) string {
	v, ok := t.value(key, required)
	if !ok {
		return fallback
	}
	s, ok := v.(string)
	if !ok {
		t.fail("%s must be a string, not %v", key, v)
	}
	return s
}

// choice is text out of a list.
func (t *table) choice(key, fallback string, required bool, choices []string) string {
	s := t.text(key, fallback, required)
	if t.err == nil && !slices.Contains(choices, s) {
		t.fail("%s = %q is not one of %s", key, s, quoted(choices))
	}
	return s
}

func (t *table) integer(key string, fallback int, required bool, least int) int {
	v, ok := t.value(key, required)
	if !ok {
		return fallback
	}
	i, ok := v.(int64)
	if !ok || i < int64(least) || i > math.MaxInt32 {
		t.fail("%s must be an integer from %d, not %v", key, least, v)
	}
	return int(i)
}

func (t *table) number(key string, fallback float64) float64 {
	v, ok := t.value(key, false)
	if !ok {
		return fallback
	}
	x := math.NaN()
	switch v := v.(type) {
	case int64:
		x = float64(v)
	case float64:
		x = v
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		t.fail("%s must be a finite number, not %v", key, v)
	}
	return x
}

// positive is a number above 0.
func (t *table) positive(key string, fallback float64) float64 {
	x := t.number(key, fallback)
	if _, given := t.keys[key]; given && t.err == nil && !(x > 0) {
		t.fail("%s must be above 0, not %g", key, x)
	}
	return x
}

// notNegative is a number of at least 0.
func (t *table) notNegative(key string, fallback float64) float64 {
	x := t.number(key, fallback)
	if !(x >= 0) && t.err == nil {
		t.fail("%s must be at least 0, not %g", key, x)
	}
	return x
}

func (t *table) boolean(key string, fallback bool) bool {
	v, ok := t.value(key, false)
	if !ok {
		return fallback
	}
	b, ok := v.(bool)
	if !ok {
		t.fail("%s must be true or false, not %v", key, v)
	}
	return b
}

// table descends into a sub-table; a missing one is empty.
func (t *table) table(key string) *table {
	sub := &table{where: t.where + key + ": "}
	v, ok := t.value(key, false)
	if !ok {
		return sub
	}
	if sub.keys, ok = v.(map[string]any); !ok {
		t.fail("%s must be a table, not %v", key, v)
	}
	return sub
}

// tables lists the tables of an array; it must not be empty.
func (t *table) tables(key string) []*table {
	v, ok := t.value(key, true)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		t.fail("%s must be a list of tables", key)
	}
	var subs []*table
	for i, item := range list {
		keys, ok := item.(map[string]any)
		if !ok {
			t.fail("%s %d must be a table, not %v", key, i+1, item)
		}
		subs = append(subs, &table{where: fmt.Sprintf("%s%s %d: ", t.where, key, i+1), keys: keys})
	}
	return subs
}

// done reports the first error, or the first key that nothing asked for, with the nearest valid one.
func (t *table) done() error {
	if t.err != nil {
		return t.err
	}
	for _, key := range slices.Sorted(maps.Keys(t.keys)) {
		if !slices.Contains(t.asked, key) {
			t.fail("unknown key %q (did you mean %q?)", key, nearest(key, t.asked))
			return t.err
		}
	}
	return nil
}
