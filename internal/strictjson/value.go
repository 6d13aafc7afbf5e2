package strictjson

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// A Kind is the type of a value. The zero Kind is none.
type Kind uint8

// The kinds of values.
const (
	KindNull Kind = iota + 1
	KindTrue
	KindFalse
	KindNumber
	KindString
	KindArray
	KindObject
)

// MaxDate is the latest NumericDate that Value.Date returns: the last second of
// the year 9999. A time in milliseconds is far beyond it.
const MaxDate = 253402300799

// A Value is a JSON value that was found sound. The zero Value is none.
type Value struct {
	Kind    Kind
	escaped bool  // of a string: it has escapes
	integer bool  // of a number: it has neither fraction nor exponent
	depth   uint8 // of an array or object
	pos     int   // of raw in the data
	raw     []byte
}

// Span returns where in the data the string that v is stands as it is. It is not
// ok if v is no string or has escapes. It is for whoever has the data as a
// string, and wants a part of that instead of a copy.
func (v Value) Span() (start, end int, ok bool) {
	return v.pos, v.pos + len(v.raw), v.Kind == KindString && !v.escaped
}

// Raw returns the bytes of the value as they stand in the data; those of a
// string without its quotes. They are read-only.
func (v Value) Raw() []byte { return v.raw }

// Text returns the string that v is.
func (v Value) Text() (text string, ok bool) {
	if v.Kind != KindString {
		return "", false
	}
	return string(v.unescaped()), true
}

// Bytes returns the string that v is, without allocating if it has no escapes.
// It is read-only and valid as long as the data is.
func (v Value) Bytes() (text []byte, ok bool) {
	if v.Kind != KindString {
		return nil, false
	}
	return v.unescaped(), true
}

func (v Value) unescaped() []byte {
	if !v.escaped {
		return v.raw
	}
	text := make([]byte, 0, len(v.raw))
	for b := v.raw; len(b) > 0; {
		if b[0] != '\\' {
			text, b = append(text, b[0]), b[1:]
			continue
		}
		r, n := unescape(b)
		text, b = utf8.AppendRune(text, r), b[n:]
	}
	return text
}

// Bool returns the truth value that v is.
func (v Value) Bool() (value, ok bool) {
	return v.Kind == KindTrue, v.Kind == KindTrue || v.Kind == KindFalse
}

// Int returns the whole number that v is. One that is written with a fraction
// or an exponent, or that int64 cannot hold, is not ok.
func (v Value) Int() (n int64, ok bool) {
	if v.Kind != KindNumber || !v.integer {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	return n, err == nil
}

// Date returns the NumericDate (RFC 7519 section 2) that v is, in seconds since
// 1970; a fraction is rounded down. It is not ok beyond MaxDate on either side.
func (v Value) Date() (seconds int64, ok bool) {
	if v.Kind != KindNumber {
		return 0, false
	}
	if !v.integer {
		f, err := strconv.ParseFloat(string(v.raw), 64)
		if err != nil || math.Abs(f) > MaxDate {
			return 0, false
		}
		return int64(math.Floor(f)), true
	}
	n, ok := v.Int()
	return n, ok && -MaxDate <= n && n <= MaxDate
}

// Texts returns the strings that v is: one, or an array of strings and nothing
// else. It is not ok if there are more than most.
func (v Value) Texts(most int) (texts []string, ok bool) {
	if text, ok := v.Text(); ok {
		return []string{text}, most >= 1
	}
	if v.Kind != KindArray {
		return nil, false
	}
	texts = []string{}
	elements := v.Elements()
	for elements.Next() {
		text, ok := elements.Value().Text()
		if !ok || len(texts) == most {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// Elements reads the array that v is; of anything else, none.
func (v Value) Elements() Array {
	if v.Kind != KindArray {
		return Array{}
	}
	return Array{scan: scanner{data: v.raw, base: v.pos}, depth: int(v.depth), left: true}
}

// Members makes o read the object that v is, and reports whether it is one.
func (v Value) Members(o *Object) bool {
	if v.Kind != KindObject {
		return false
	}
	*o = Object{scan: scanner{data: v.raw, base: v.pos}, depth: int(v.depth)}
	return true
}

// An Array reads the elements of an array that was found sound.
type Array struct {
	scan  scanner
	depth int
	left  bool
	value Value
}

// Next reads one element, and reports whether there was one.
func (a *Array) Next() bool {
	if !a.left {
		return false
	}
	s := &a.scan
	if s.take('[') || s.take(',') {
		s.space()
	}
	if s.take(']') {
		a.left = false
		return false
	}
	a.left = s.value(a.depth, &a.value)
	s.space()
	return a.left
}

// Value returns the element that Next read.
func (a *Array) Value() Value { return a.value }
