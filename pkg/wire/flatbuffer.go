package wire

import "encoding/binary"

// view reads a flatbuffer, the encoding of Arrow's metadata, without trusting it. Every access is checked; the first
// that leaves the bytes makes the view bad, and from then on everything reads as zero or empty.
//
// Strings and vectors may share bytes, so that a small buffer can describe a huge structure. No writer does that with
// Arrow's metadata; budget, the bytes not described yet, stops it.
type view struct {
	bytes  []byte
	budget int
	bad    bool
}

// table is a flatbuffer table: fields by number, each present or not. The zero table has no fields.
type table struct {
	view   *view
	at     int // position of the table
	vtable int // position of its list of field offsets
	size   int // bytes of that list
}

func newView(bytes []byte) *view { return &view{bytes: bytes, budget: len(bytes)} }

// slice is n bytes at a position.
func (v *view) slice(at, n int) []byte {
	if v.bad || at < 0 || n < 0 || at > len(v.bytes)-n {
		v.bad = true
		return nil
	}
	return v.bytes[at : at+n]
}

// unsigned is the little-endian number of n bytes at a position.
func (v *view) unsigned(at, n int) uint64 {
	var b [8]byte
	copy(b[:], v.slice(at, n))
	return binary.LittleEndian.Uint64(b[:])
}

// follow is the position that the offset at a position points to.
func (v *view) follow(at int) int { return at + int(v.unsigned(at, 4)) }

// spend takes n bytes from the budget.
func (v *view) spend(n int) {
	if v.budget -= n; v.budget < 0 {
		v.bad = true
	}
}

// table is the table at a position.
func (v *view) table(at int) table {
	vtable := at - int(int32(v.unsigned(at, 4)))
	t := table{view: v, at: at, vtable: vtable, size: int(v.unsigned(vtable, 2))}
	v.slice(vtable, t.size)
	v.spend(4)
	if v.bad || t.size < 4 || t.size%2 != 0 { // half an entry would be read by some and not by others
		v.bad = true
		return table{view: v}
	}
	return t
}

// root is the outermost table.
func (v *view) root() table { return v.table(v.follow(0)) }

// field is the position of field i, or 0 if it is absent.
func (t table) field(i int) int {
	entry := 4 + 2*i
	if entry+2 > t.size {
		return 0
	}
	offset := int(t.view.unsigned(t.vtable+entry, 2))
	if offset == 0 {
		return 0
	}
	return t.at + offset
}

// number is field i as a signed number of n bytes, 0 if it is absent.
func (t table) number(i, n int) int64 {
	at := t.field(i)
	if at == 0 {
		return 0
	}
	shift := 64 - 8*n
	return int64(t.view.unsigned(at, n)<<shift) >> shift
}

// child is field i as a table; false if it is absent.
func (t table) child(i int) (table, bool) {
	at := t.field(i)
	if at == 0 {
		return table{view: t.view}, false
	}
	child := t.view.table(t.view.follow(at))
	return child, !t.view.bad
}

// vector is field i as a vector of items of n bytes: the position of the first, and how many. It is empty if the field
// is absent.
func (t table) vector(i, n int) (first, count int) {
	at := t.field(i)
	if at == 0 {
		return 0, 0
	}
	at = t.view.follow(at)
	count = int(t.view.unsigned(at, 4))
	t.view.slice(at+4, count*n)
	t.view.spend(count * n)
	if t.view.bad {
		return 0, 0
	}
	return at + 4, count
}

// text is field i as a string.
func (t table) text(i int) string {
	first, n := t.vector(i, 1)
	return string(t.view.slice(first, n))
}

// tables is field i as a vector of tables.
func (t table) tables(i int) []table {
	first, n := t.vector(i, 4)
	list := make([]table, n)
	for k := range list {
		list[k] = t.view.table(t.view.follow(first + 4*k))
	}
	return list
}
