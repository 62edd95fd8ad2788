package wire

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Arrays without nulls over memory that exists already: nothing is copied, and the memory must not change while the
// array is in use. The library's builders would copy, and cannot build lists with non-nullable items.

// plain is n numbers of a fixed width.
func plain(t arrow.DataType, n int, bytes []byte) *array.Data {
	return array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(bytes)}, nil, 0, 0)
}

// texts is len(offsets)-1 strings, string i being bytes[offsets[i]:offsets[i+1]].
func texts(offsets []int32, bytes []byte) *array.Data {
	o := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))
	return array.NewData(arrow.BinaryTypes.String, len(offsets)-1, []*memory.Buffer{nil, o, memory.NewBufferBytes(bytes)}, nil, 0, 0)
}

// lists is len(offsets)-1 lists, list i being items offsets[i] to offsets[i+1].
func lists(t arrow.DataType, offsets []int32, items *array.Data) *array.Data {
	o := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))
	return array.NewData(t, len(offsets)-1, []*memory.Buffer{nil, o}, []arrow.ArrayData{items}, 0, 0)
}

// fixedLists is n lists of the type's fixed size.
func fixedLists(t arrow.DataType, n int, items *array.Data) *array.Data {
	return array.NewData(t, n, []*memory.Buffer{nil}, []arrow.ArrayData{items}, 0, 0)
}

// record is a batch of n rows.
func record(schema *arrow.Schema, n int, columns []*array.Data) arrow.Record {
	arrays := make([]arrow.Array, len(columns))
	for i, c := range columns {
		arrays[i] = array.MakeFromData(c)
	}
	return array.NewRecord(schema, arrays, int64(n))
}
