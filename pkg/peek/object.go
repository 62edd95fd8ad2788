package peek

import (
	"encoding/json"

	"odepipe/pkg/wire"
)

// number is a float64 whose JSON is null where it is not finite.
type number float64

func (x number) MarshalJSON() ([]byte, error) {
	if !finite(float64(x)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(x))
}

// objects is the report as JSON, an object a line: the header, then every item.
type objects struct {
	out    *json.Encoder
	values bool
}

type headerObject struct {
	Stream  string            `json:"stream"`
	File    bool              `json:"file"`
	Dataset string            `json:"dataset,omitempty"`
	Split   string            `json:"split,omitempty"`
	Model   string            `json:"model,omitempty"`
	SHA256  string            `json:"model_sha256,omitempty"`
	Extra   map[string]string `json:"extra,omitempty"`
	Columns []ColumnWords     `json:"columns"`
}

type itemObject struct {
	Step     int64           `json:"step"`
	Name     string          `json:"name"`
	Role     string          `json:"role"`
	Shape    []int           `json:"shape"`
	Min      number          `json:"min"`
	Mean     number          `json:"mean"`
	Max      number          `json:"max"`
	Norm     number          `json:"norm"`
	NaN      int             `json:"nan"`
	Spectrum *spectrumObject `json:"spectrum,omitempty"`
	Values   []number        `json:"values,omitempty"` // row-major
}

type spectrumObject struct {
	Smallest  number `json:"smallest"`
	Largest   number `json:"largest"`
	Condition number `json:"condition"`
	Rank      int    `json:"rank"`
}

func (o *objects) header(s *wire.Stream) error {
	return o.out.Encode(headerObject{string(s.Kind), s.File, s.Dataset, s.Split, s.Model, s.ModelSHA256, s.Extra, schemaOf(s)})
}

func (o *objects) item(i *Item, s Statistics, f *Spectrum) error {
	object := itemObject{
		Step: i.Step, Name: i.Name, Role: i.Role, Shape: append([]int{}, i.Shape...),
		Min: number(s.Min), Mean: number(s.Mean), Max: number(s.Max), Norm: number(s.Norm), NaN: s.NaN,
	}
	if f != nil {
		object.Spectrum = &spectrumObject{number(f.Smallest), number(f.Largest), number(f.Condition), f.Rank}
	}
	if o.values {
		object.Values = make([]number, i.Value.Len())
		for k := range object.Values {
			object.Values[k] = number(i.Value.At(k))
		}
	}
	return o.out.Encode(object)
}

func (o *objects) end() error { return nil }
