package strictjson

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner walks over data and keeps the first fault.
type scanner struct {
	data []byte
	base int // where data begins in the whole
	pos  int
	err  *Error
}

// fail keeps the first fault, and returns false for the caller to return.
func (s *scanner) fail(reason string) bool {
	if s.err == nil {
		s.err = &Error{Offset: s.base + s.pos, Reason: reason}
	}
	return false
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// take steps over c if it is next.
func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// member reads a name, a colon and a value in an object at that depth.
func (s *scanner) member(seen *names, depth int, key *[]byte, v *Value) bool {
	if !s.str(v) {
		return false
	}
	*key = v.unescaped()
	if !seen.add(*key) {
		return s.fail("a member twice")
	}
	s.space()
	if !s.take(':') {
		return s.fail("no colon")
	}
	s.space()
	return s.value(depth, v)
}

// value reads any value that stands in an object or array at that depth.
func (s *scanner) value(depth int, v *Value) bool {
	if s.pos == len(s.data) {
		return s.fail("no value")
	}
	switch s.data[s.pos] {
	case '"':
		return s.str(v)
	case '{':
		return s.nested(KindObject, depth+1, v)
	case '[':
		return s.nested(KindArray, depth+1, v)
	case 't':
		return s.word("true", KindTrue, v)
	case 'f':
		return s.word("false", KindFalse, v)
	case 'n':
		return s.word("null", KindNull, v)
	default:
		return s.number(v)
	}
}

// nested reads an object or array inside another value, of that depth.
func (s *scanner) nested(kind Kind, depth int, v *Value) bool {
	if depth > MaxDepth {
		return s.fail("nested too deeply")
	}
	start := s.pos
	s.pos++
	s.space()
	ok := false
	if kind == KindObject {
		ok = s.object(depth)
	} else {
		ok = s.array(depth)
	}
	*v = Value{Kind: kind, depth: uint8(depth), pos: s.base + start, raw: s.data[start:s.pos]}
	return ok
}

// object reads the members of an object to its closing brace.
func (s *scanner) object(depth int) bool {
	if s.take('}') {
		return true
	}
	var seen names
	var key []byte
	var v Value
	for {
		if !s.member(&seen, depth, &key, &v) {
			return false
		}
		s.space()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return s.fail("neither comma nor closing brace")
		}
		s.space()
	}
}

// array reads the elements of an array to its closing bracket.
func (s *scanner) array(depth int) bool {
	if s.take(']') {
		return true
	}
	var v Value
	for {
		if !s.value(depth, &v) {
			return false
		}
		s.space()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return s.fail("neither comma nor closing bracket")
		}
		s.space()
	}
}

func (s *scanner) word(word string, kind Kind, v *Value) bool {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return s.fail("no value")
	}
	*v = Value{Kind: kind, pos: s.base + s.pos, raw: s.data[s.pos:end]}
	s.pos = end
	return true
}

// str reads a string. The raw value is without its quotes.
func (s *scanner) str(v *Value) bool {
	if !s.take('"') {
		return s.fail("no string")
	}
	start, escaped, ascii := s.pos, false, true
	for i := s.pos + plain(s.data[s.pos:]); i < len(s.data); i += plain(s.data[i:]) {
		s.pos = i
		switch c := s.data[i]; {
		case c == '"':
			raw := s.data[start:i]
			if !ascii && !utf8.Valid(raw) {
				return s.fail("invalid UTF-8")
			}
			s.pos++
			*v = Value{Kind: KindString, escaped: escaped, pos: s.base + start, raw: raw}
			return true
		case c == '\\':
			_, n := unescape(s.data[i:])
			if n == 0 {
				return s.fail("a bad escape in a string")
			}
			escaped = true
			i += n
		case c < ' ':
			return s.fail("a control character in a string")
		default:
			ascii = false
			i++
		}
	}
	s.pos = len(s.data)
	return s.fail("a string without end")
}

// plain returns how many bytes b begins with that stand for themselves in a
// string and of which no more needs to be known: ASCII but for quotes,
// backslashes and control characters. It looks at eight of them at a time.
func plain(b []byte) (n int) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// In each byte the top bit: of a zero in quote or slash, of less than a
		// space, of what is no ASCII. Bytes above the first such one may be
		// wrong, the first is not.
		if odd := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & tops; odd != 0 {
			return n + bits.TrailingZeros64(odd)/8
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return n
}

// unescape returns the character that b begins with an escape of, and how many
// bytes that takes: 0 if it is none.
func unescape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch c := b[1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, ok := hex4(b[6:])
	if !ok {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// hex4 returns the code unit that b begins with an escape \uXXXX of.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads a number, which float64 must be able to hold: that is what
// other parsers read it to.
func (s *scanner) number(v *Value) bool {
	start, integer := s.pos, true
	s.take('-')
	if !s.take('0') && s.digits() == 0 {
		return s.fail("no value")
	}
	if s.take('.') {
		integer = false
		if s.digits() == 0 {
			return s.fail("a number without fraction")
		}
	}
	if s.take('e') || s.take('E') {
		integer = false
		if !s.take('+') {
			s.take('-')
		}
		if s.digits() == 0 {
			return s.fail("a number without exponent")
		}
	}
	*v = Value{Kind: KindNumber, integer: integer, pos: s.base + start, raw: s.data[start:s.pos]}
	if !integer || len(v.raw) > 300 {
		if _, err := strconv.ParseFloat(string(v.raw), 64); err != nil {
			return s.fail("a number out of range")
		}
	}
	return true
}

// digits steps over digits and returns how many there were.
func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}
