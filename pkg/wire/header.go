package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// Version is the version of the streams that this package reads and writes.
const Version = "1"

// Kind says what a stream carries.
type Kind string

// The five streams: two sample tables, two tensor tables, then the trace. A checkpoint is of kind Params.
const (
	Batch    Kind = "batch"    // datagen: samples
	State    Kind = "state"    // odeforward: samples with states, predictions and losses
	Gradient Kind = "gradient" // odebackward: gradients and Kronecker factors
	Params   Kind = "params"   // kfacstep: parameters
	Trace    Kind = "trace"    // odeforward and odebackward, beside their output: attempted solver steps
)

var (
	sampleKinds = []Kind{Batch, State}
	tensorKinds = []Kind{Gradient, Params}
	traceKinds  = []Kind{Trace}
	allKinds    = []Kind{Batch, State, Gradient, Params, Trace}
)

// Header is what a stream says about itself once, in the metadata of its schema.
type Header struct {
	Kind        Kind
	Model       string // the model's TOML text; empty in datagen's streams
	ModelSHA256 string // of Model's bytes, in hexadecimal; a writer fills it in
	Dataset     string
	Split       string
	Extra       map[string]string // further facts, for instance an optimizer's settings; stored as odepipe.<key>
}

const prefix = "odepipe."

// The keys of the schema's metadata, less the prefix, that Header's named fields occupy.
var reserved = []string{"version", "stream", "model", "model_sha256", "dataset", "split"}

// Want returns nil if the stream is of one of the given kinds, else an error that wraps ErrKind and names them.
func (h Header) Want(kinds ...Kind) error {
	if slices.Contains(kinds, h.Kind) {
		return nil
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return fmt.Errorf("stream is %q, expected %s: %w", h.Kind, strings.Join(names, " or "), ErrKind)
}

// metadata lists the header as a schema's metadata, Extra in the order of its keys.
//
// It returns ErrKind if the kind is none of kinds, and ErrTable if a key of Extra is one of Header's own.
func (h Header) metadata(kinds []Kind) (*arrow.Metadata, error) {
	if err := h.Want(kinds...); err != nil {
		return nil, err
	}
	if h.Model != "" && h.ModelSHA256 == "" {
		h.ModelSHA256 = digest(h.Model)
	}
	keys := []string{prefix + "version", prefix + "stream"}
	values := []string{Version, string(h.Kind)}
	add := func(key, value string) {
		keys, values = append(keys, prefix+key), append(values, value)
	}
	for _, pair := range [][2]string{
		{"model", h.Model}, {"model_sha256", h.ModelSHA256}, {"dataset", h.Dataset}, {"split", h.Split},
	} {
		if pair[1] != "" {
			add(pair[0], pair[1])
		}
	}
	extra := make([]string, 0, len(h.Extra))
	for key := range h.Extra {
		if slices.Contains(reserved, key) {
			return nil, fmt.Errorf("extra metadata %q has a key of the header: %w", key, ErrTable)
		}
		extra = append(extra, key)
	}
	sort.Strings(extra)
	for _, key := range extra {
		add(key, h.Extra[key])
	}
	md := arrow.NewMetadata(keys, values)
	return &md, nil
}

// parseHeader is the inverse of metadata. Keys without the prefix are other programs' and are left alone.
//
// It returns ErrVersion, ErrKind if the kind is none of kinds, ErrCorrupt if a key appears twice, and ErrChecksum if
// the model is not the one whose SHA-256 is given.
func parseHeader(md arrow.Metadata, kinds []Kind) (Header, error) {
	facts := make(map[string]string, md.Len())
	for i, key := range md.Keys() {
		name, ours := strings.CutPrefix(key, prefix)
		if !ours {
			continue
		}
		if _, twice := facts[name]; twice {
			return Header{}, fmt.Errorf("metadata %q appears twice: %w", key, ErrCorrupt)
		}
		facts[name] = md.Values()[i]
	}
	version, ok := facts["version"]
	if !ok {
		return Header{}, fmt.Errorf("stream has no odepipe.version, this program reads %s: %w", Version, ErrVersion)
	}
	if version != Version {
		return Header{}, fmt.Errorf("stream has version %.20s, this program reads %s: %w", version, Version, ErrVersion)
	}
	h := Header{
		Kind: Kind(facts["stream"]), Model: facts["model"], ModelSHA256: facts["model_sha256"],
		Dataset: facts["dataset"], Split: facts["split"],
	}
	if err := h.Want(kinds...); err != nil {
		return Header{}, err
	}
	if h.Model != "" && h.ModelSHA256 != digest(h.Model) {
		return Header{}, fmt.Errorf("odepipe.model and odepipe.model_sha256: %w", ErrChecksum)
	}
	for _, name := range reserved {
		delete(facts, name)
	}
	if len(facts) > 0 {
		h.Extra = facts
	}
	return h, nil
}

// digest is the SHA-256 of a text in hexadecimal.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
