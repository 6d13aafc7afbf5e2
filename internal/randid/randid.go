// Package randid makes identifiers that nobody meets twice.
package randid

import (
	crypto "crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Len is the length of an identifier.
const Len = 26

// encoding keeps the order of the bytes.
var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// New returns 128 bits of rand as 26 characters of 0-9 and a-v, which nobody can
// guess: safe in URLs, command lines and file names, and the same whatever the
// case.
func New(rand io.Reader) (string, error) {
	var b [16]byte
	if err := fill(rand, b[:]); err != nil {
		return "", err
	}
	return encode(b[:]), nil
}

// Ordered returns 48 bits of the milliseconds from 1970 to now and 80 bits of rand
// in the same form. Such identifiers grow with the time, so that a store adds each
// new one at the end of its index, which costs a third less than at a random
// place. They tell when they were made.
func Ordered(now time.Time, rand io.Reader) (string, error) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(now.UnixMilli(), 0))<<16)
	if err := fill(rand, b[6:]); err != nil {
		return "", err
	}
	return encode(b[:]), nil
}

func encode(b []byte) string {
	var text [Len]byte
	return string(encoding.AppendEncode(text[:0], b))
}

// fill fills b with rand, without an allocation if that is crypto/rand.Reader.
func fill(rand io.Reader, b []byte) error {
	if rand == crypto.Reader {
		_, _ = crypto.Read(b) // never fails
		return nil
	}
	buf := make([]byte, len(b))
	if _, err := io.ReadFull(rand, buf); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	copy(b, buf)
	return nil
}
