package wire

import "fmt"

// The part of Arrow's metadata that the tables use, with the numbers of its flatbuffer schemas (Message.fbs,
// Schema.fbs). Whatever passes these checks is read without going out of bounds.

// Types of a message's header, fields' types and floating-point precisions.
const (
	messageSchema      = 1
	messageRecordBatch = 3

	typeInt           = 2
	typeFloatingPoint = 3
	typeUtf8          = 5
	typeBool          = 6
	typeList          = 12
	typeFixedSizeList = 16

	precisionSingle = 1
	precisionDouble = 2
)

// form is how a column's data lie in a message's body.
type form int

const (
	fixedWidth form = iota // validity, data
	text                   // validity, offsets, data
	list                   // validity, offsets, then the items
	fixedList              // validity, then the items
	bits                   // validity, data of one bit each
)

// layout is the physical layout of a column.
type layout struct {
	form  form
	width int // bytes of an element of fixedWidth
	size  int // items per row of fixedList
	items *layout
}

// outline is what a schema says: a layout per column, and all names and metadata in order, by which two copies of a
// schema are compared.
type outline struct {
	columns []layout
	words   []string
}

// message checks the outermost table of a message and returns its header.
func message(v *view) (header table, kind int64, bodyLength int64) {
	root := v.root()
	header, _ = root.child(2)
	return header, root.number(1, 1), root.number(3, 8)
}

// readSchema returns the outline of a Schema table.
//
// It returns ErrCorrupt if it is not well-formed, and ErrTable if it has types that no table uses.
func readSchema(schema table) (outline, error) {
	var o outline
	if schema.number(0, 2) != 0 {
		return o, fmt.Errorf("big-endian data: %w", ErrTable)
	}
	for _, field := range schema.tables(1) {
		o.words = append(o.words, field.text(0))
		column, err := readField(field, 0)
		if err != nil {
			return o, fmt.Errorf("column %.40q: %w", field.text(0), err)
		}
		o.columns = append(o.columns, column)
		o.words = readPairs(o.words, field, 6)
	}
	o.words = readPairs(o.words, schema, 2)
	if schema.view.bad {
		return o, fmt.Errorf("schema: %w", ErrCorrupt)
	}
	return o, nil
}

// readPairs appends the key-value pairs of field i.
func readPairs(words []string, t table, i int) []string {
	for _, pair := range t.tables(i) {
		words = append(words, pair.text(0), pair.text(1))
	}
	return words
}

// readField returns the layout of a Field table, at some depth of nesting.
func readField(field table, depth int) (layout, error) {
	kind, _ := field.child(3)
	children := field.tables(5)
	_, dictionary := field.child(4)
	if field.view.bad {
		return layout{}, ErrCorrupt
	}
	var l layout
	nested := false
	switch field.number(2, 1) {
	case typeInt:
		l = layout{form: fixedWidth, width: int(kind.number(0, 4)) / 8}
	case typeFloatingPoint:
		l = layout{form: fixedWidth}
		switch kind.number(0, 2) {
		case precisionSingle:
			l.width = 4
		case precisionDouble:
			l.width = 8
		}
	case typeUtf8:
		l = layout{form: text}
	case typeBool:
		l = layout{form: bits}
	case typeList:
		l, nested = layout{form: list}, true
	case typeFixedSizeList:
		l, nested = layout{form: fixedList, size: int(kind.number(0, 4))}, true
		if l.size <= 0 {
			return l, ErrCorrupt
		}
	default:
		return l, fmt.Errorf("type %d: %w", field.number(2, 1), ErrTable)
	}
	switch {
	case dictionary:
		return l, fmt.Errorf("dictionary: %w", ErrTable)
	case l.form == fixedWidth && l.width != 4 && l.width != 8:
		return l, fmt.Errorf("numbers of neither 4 nor 8 bytes: %w", ErrTable)
	case nested && depth > 0:
		return l, fmt.Errorf("list of lists: %w", ErrTable)
	case nested && len(children) != 1, !nested && len(children) != 0:
		return l, ErrCorrupt
	}
	if nested {
		items, err := readField(children[0], depth+1)
		if err != nil {
			return l, err
		}
		l.items = &items
	}
	return l, nil
}

// cells is where the data of a column of a record batch lie.
type cells struct {
	length int64  // rows, or items of a fixed list
	items  int64  // of all lists
	ends   extent // length+1 offsets of text and lists, as int32
	data   extent // bytes of text, numbers of anything else
	valid  extent // bit i tells whether row i is a number, if there are nulls
	nulls  int64
}

// numbers is how many elements the data hold, of a column that is not text.
func (c *cells) numbers() int64 {
	if c.ends.length > 0 || c.items > 0 {
		return c.items
	}
	return c.length
}

// extent is a part of a message's body.
type extent struct{ at, length int64 }

// batch is a record batch's header while it is compared with the columns of its schema.
type batch struct {
	view           *view
	nodes, buffers int   // position of the next one
	nodesLeft      int   // how many are left
	buffersLeft    int   //
	body           int64 // bytes of the body
	bytesLeft      int64 // of which not described by a buffer yet
	nullable       bool  // columns may have nulls
	nulls          int64 // of the last node
	cells          []cells
}

// checkBatch compares a RecordBatch table and the length of its body with the columns: rows, nodes and buffers are
// those of the columns, no column has nulls unless nullable, buffers lie within the body, hold what the lengths need, and together are
// not larger than it. It returns the rows, and appends to all where the columns lie.
//
// It returns ErrCorrupt if not, and ErrTable for a compressed body.
func checkBatch(all []cells, header table, body int64, columns []layout, nullable bool) (int64, []cells, error) {
	if _, compressed := header.child(3); compressed {
		return 0, all, fmt.Errorf("compressed: %w", ErrTable)
	}
	rows := header.number(0, 8)
	b := batch{view: header.view, body: body, bytesLeft: body, nullable: nullable, cells: all}
	b.nodes, b.nodesLeft = header.vector(1, 16)
	b.buffers, b.buffersLeft = header.vector(2, 16)
	if rows < 0 || rows > body {
		return 0, all, fmt.Errorf("%d rows in %d bytes: %w", rows, body, ErrCorrupt)
	}
	for i := range columns {
		b.cells = append(b.cells, cells{})
		if !b.column(&columns[i], rows) || b.view.bad {
			return 0, all, fmt.Errorf("header of column %d: %w", i, ErrCorrupt)
		}
	}
	if b.nodesLeft != 0 || b.buffersLeft != 0 || b.view.bad {
		return 0, all, fmt.Errorf("header: %w", ErrCorrupt)
	}
	return rows, b.cells, nil
}

// column checks one column of a given number of rows.
func (b *batch) column(l *layout, rows int64) bool {
	length, ok := b.node()
	b.last().length, b.last().nulls = length, b.nulls
	return ok && length == rows && b.data(l, length)
}

// last is the column in hand.
func (b *batch) last() *cells { return &b.cells[len(b.cells)-1] }

// data checks the buffers of a column of a given length, which is at most the bytes of the body.
func (b *batch) data(l *layout, length int64) bool {
	validity := int64(0) // without nulls, whatever it holds is not read
	if b.nulls > 0 {
		validity = (length + 7) / 8
	}
	if !b.buffer(validity, &b.last().valid) {
		return false
	}
	switch l.form {
	case fixedWidth:
		return b.buffer(length*int64(l.width), &b.last().data)
	case bits:
		return b.buffer((length+7)/8, &b.last().data)
	case text:
		return b.offsets(length) && b.buffer(0, &b.last().data)
	case list:
		if !b.offsets(length) {
			return false
		}
		items, ok := b.node()
		b.last().items = items
		return ok && b.data(l.items, items)
	}
	return length <= b.body/int64(l.size) && b.column(l.items, length*int64(l.size))
}

// node takes the next node: the length of a column, without nulls unless they are allowed.
func (b *batch) node() (length int64, ok bool) {
	if b.nodesLeft == 0 {
		return 0, false
	}
	length = int64(b.view.unsigned(b.nodes, 8))
	b.nulls = int64(b.view.unsigned(b.nodes+8, 8))
	b.nodes += 16
	b.nodesLeft--
	sound := b.nulls == 0 || b.nullable && 0 < b.nulls && b.nulls <= length
	return length, sound && length >= 0 && length <= b.body
}

// offsets takes the next buffer, which holds the length+1 offsets of lists or strings; none at all if there are none.
func (b *batch) offsets(length int64) bool {
	if length == 0 {
		return b.buffer(0, &b.last().ends)
	}
	return b.buffer(4*(length+1), &b.last().ends)
}

// buffer takes the next buffer, which is within the body and of at least n bytes, and notes where it is.
func (b *batch) buffer(n int64, to *extent) bool {
	if b.buffersLeft == 0 {
		return false
	}
	offset, length := int64(b.view.unsigned(b.buffers, 8)), int64(b.view.unsigned(b.buffers+8, 8))
	b.buffers += 16
	b.buffersLeft--
	if offset < 0 || length < n || length > b.bytesLeft || offset > b.body-length {
		return false
	}
	b.bytesLeft -= length
	if to != nil {
		*to = extent{offset, length}
	}
	return true
}
