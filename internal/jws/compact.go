package jws

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// A Compact is a token in compact serialization, split into its parts, which
// are still in base64url.
type Compact struct {
	Header, Payload, Signature string
	// SigningInput is the header and the payload with the dot between them.
	SigningInput string
}

// Split takes a token of at most limit bytes apart at its two dots. Its error
// wraps ErrMalformed if there are more or fewer of them, a part is empty, or
// the token is too long. Split looks no further than the third dot, and does not
// look into the parts: Decode does.
func Split(token string, limit int) (Compact, error) {
	if len(token) > limit {
		return Compact{}, fmt.Errorf("%w: a token of %d bytes, at most %d", ErrMalformed, len(token), limit)
	}
	first := strings.IndexByte(token, '.')
	if first < 0 {
		return Compact{}, errParts
	}
	second := strings.IndexByte(token[first+1:], '.')
	if second < 0 {
		return Compact{}, errParts
	}
	second += first + 1
	c := Compact{
		Header:       token[:first],
		Payload:      token[first+1 : second],
		Signature:    token[second+1:],
		SigningInput: token[:second],
	}
	if strings.IndexByte(c.Signature, '.') >= 0 || c.Header == "" || c.Payload == "" || c.Signature == "" {
		return Compact{}, errParts
	}
	return c, nil
}

var (
	errParts  = fmt.Errorf("%w: not three parts with dots between them", ErrMalformed)
	errBase64 = fmt.Errorf("%w: not base64url without padding", ErrMalformed)
)

// base64url without padding; trailing bits must be zero, or a signature could
// be written in several ways.
var encoding = base64.RawURLEncoding.Strict()

// Decode appends to dst what a part of a token stands for, and returns the
// extended slice. Its error wraps ErrMalformed if the part is not base64url in
// its only form: without padding, line breaks or trailing bits. On an error dst
// is returned unchanged.
func Decode(dst []byte, part []byte) ([]byte, error) {
	want := encoding.DecodedLen(len(part))
	decoded, err := encoding.AppendDecode(dst, part)
	// The decoder steps over line breaks; then it yields less than the length
	// promised, unless the length is one that no text without them has.
	if err != nil || len(part)%4 == 1 || len(decoded)-len(dst) != want {
		return dst, errBase64
	}
	return decoded, nil
}
