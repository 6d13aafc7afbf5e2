package strictjson

import (
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
func (s *scanner) member(seen *names, depth int) (key []byte, v Value, ok bool) {
	name, ok := s.str()
	if !ok {
		return nil, v, false
	}
	key = name.unescaped()
	if !seen.add(key) {
		return nil, v, s.fail("a member twice")
	}
	s.space()
	if !s.take(':') {
		return nil, v, s.fail("no colon")
	}
	s.space()
	v, ok = s.value(depth)
	return key, v, ok
}

// value reads any value that stands in an object or array at that depth.
func (s *scanner) value(depth int) (Value, bool) {
	if s.pos == len(s.data) {
		return Value{}, s.fail("no value")
	}
	start := s.pos
	switch c := s.data[s.pos]; c {
	case '"':
		return s.str()
	case '{', '[':
		if depth >= MaxDepth {
			return Value{}, s.fail("nested too deeply")
		}
		if c == '{' {
			ok := s.object(depth + 1)
			return Value{Kind: KindObject, depth: depth + 1, pos: s.base + start, raw: s.data[start:s.pos]}, ok
		}
		ok := s.array(depth + 1)
		return Value{Kind: KindArray, depth: depth + 1, pos: s.base + start, raw: s.data[start:s.pos]}, ok
	case 't':
		return s.word("true", KindTrue)
	case 'f':
		return s.word("false", KindFalse)
	case 'n':
		return s.word("null", KindNull)
	default:
		return s.number()
	}
}

// object reads an object inside another value, whose opening brace is next.
func (s *scanner) object(depth int) bool {
	var seen names
	s.pos++
	s.space()
	if s.take('}') {
		return true
	}
	for {
		if _, _, ok := s.member(&seen, depth); !ok {
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

// array reads an array, whose opening bracket is next.
func (s *scanner) array(depth int) bool {
	s.pos++
	s.space()
	if s.take(']') {
		return true
	}
	for {
		if _, ok := s.value(depth); !ok {
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

func (s *scanner) word(word string, kind Kind) (Value, bool) {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return Value{}, s.fail("no value")
	}
	v := Value{Kind: kind, raw: s.data[s.pos:end]}
	s.pos = end
	return v, true
}

// str reads a string. The raw value is without its quotes.
func (s *scanner) str() (Value, bool) {
	if !s.take('"') {
		return Value{}, s.fail("no string")
	}
	start, escaped, ascii := s.pos, false, true
	for i := s.pos; i < len(s.data); i++ {
		c := s.data[i]
		if plain[c] {
			continue
		}
		s.pos = i
		switch {
		case c == '"':
			raw := s.data[start:i]
			if !ascii && !utf8.Valid(raw) {
				return Value{}, s.fail("invalid UTF-8")
			}
			s.pos++
			return Value{Kind: KindString, escaped: escaped, pos: s.base + start, raw: raw}, true
		case c == '\\':
			_, n := unescape(s.data[i:])
			if n == 0 {
				return Value{}, s.fail("a bad escape in a string")
			}
			escaped = true
			i += n - 1
		case c < ' ':
			return Value{}, s.fail("a control character in a string")
		default:
			ascii = false
		}
	}
	s.pos = len(s.data)
	return Value{}, s.fail("a string without end")
}

// plain are the bytes that stand for themselves in a string, and that no more
// needs to be known about.
var plain = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

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
func (s *scanner) number() (Value, bool) {
	start, integer := s.pos, true
	s.take('-')
	if !s.take('0') && s.digits() == 0 {
		return Value{}, s.fail("no value")
	}
	if s.take('.') {
		integer = false
		if s.digits() == 0 {
			return Value{}, s.fail("a number without fraction")
		}
	}
	if s.take('e') || s.take('E') {
		integer = false
		if !s.take('+') {
			s.take('-')
		}
		if s.digits() == 0 {
			return Value{}, s.fail("a number without exponent")
		}
	}
	v := Value{Kind: KindNumber, integer: integer, raw: s.data[start:s.pos]}
	if !integer || len(v.raw) > 300 {
		if _, err := strconv.ParseFloat(string(v.raw), 64); err != nil {
			return Value{}, s.fail("a number out of range")
		}
	}
	return v, true
}

// digits steps over digits and returns how many there were.
func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}
