package strictjson

import "fmt"

// MaxDepth is how deep objects and arrays may be nested, the outermost counted.
const MaxDepth = 16

// An Error says what is wrong with the JSON, and where, but never what stands
// there.
type Error struct {
	Offset int    // in bytes from the beginning of the data
	Reason string // "a member twice"
}

func (e *Error) Error() string { return fmt.Sprintf("JSON: %s at byte %d", e.Reason, e.Offset) }

// An Object reads the members of one JSON object in their order. Its zero value
// is of no use before Reset. It is not safe for concurrent use, and it refers to
// the data that it was given rather than copying it.
type Object struct {
	scan  scanner
	names names
	state state
	depth int
	key   []byte
	value Value
}

type state uint8

const (
	atStart state = iota
	inside
	atEnd
)

// Reset makes o read data, which must hold one object and nothing else.
func (o *Object) Reset(data []byte) {
	*o = Object{scan: scanner{data: data}, depth: 1}
}

// Next reads one member, and reports whether there was one. At the end, and at
// the first fault, it returns false for ever: see Err.
func (o *Object) Next() bool {
	s := &o.scan
	switch {
	case s.err != nil || o.state == atEnd:
		return false
	case o.state == atStart:
		s.space()
		if !s.take('{') {
			return s.fail("no object")
		}
		s.space()
		o.state = inside
		if s.take('}') {
			return o.end()
		}
	default:
		s.space()
		if s.take('}') {
			return o.end()
		}
		if !s.take(',') {
			return s.fail("neither comma nor closing brace")
		}
		s.space()
	}
	return s.member(&o.names, o.depth, &o.key, &o.value)
}

func (o *Object) end() bool {
	o.state = atEnd
	o.scan.space()
	if o.scan.pos != len(o.scan.data) {
		return o.scan.fail("more behind the object")
	}
	return false
}

// Key returns the name of the member that Next read, unescaped. It is read-only
// and valid as long as the data is.
func (o *Object) Key() []byte { return o.key }

// Value returns the value of the member that Next read. It is valid as long as
// the data is.
func (o *Object) Value() Value { return o.value }

// Err returns the *Error that ended the reading, or nil if all was read to the
// end and is sound, or if the end was not reached yet.
func (o *Object) Err() error {
	if o.scan.err == nil {
		return nil
	}
	return o.scan.err
}

// names are the members seen in one object. Few are compared one by one, many
// looked up.
type names struct {
	n     int
	marks [16]uint64 // of few: names with different ones are different
	few   [16][]byte
	many  map[string]struct{}
}

// add reports whether name is new.
func (m *names) add(name []byte) bool {
	mark := uint64(len(name))
	for i := range min(len(name), 7) {
		mark = mark<<8 | uint64(name[i])
	}
	for i, other := range m.marks[:m.n] {
		if other == mark && string(m.few[i]) == string(name) {
			return false
		}
	}
	if m.n < len(m.few) {
		m.marks[m.n], m.few[m.n] = mark, name
		m.n++
		return true
	}
	if _, ok := m.many[string(name)]; ok {
		return false
	}
	if m.many == nil {
		m.many = make(map[string]struct{})
	}
	m.many[string(name)] = struct{}{}
	return true
}
