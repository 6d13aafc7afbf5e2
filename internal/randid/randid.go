// Package randid makes identifiers that nobody can guess or meet twice.
package randid

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
)

// Len is the length of an identifier.
const Len = 26

var encoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// New returns 128 bits of rand as 26 characters of 0-9 and a-v: safe in URLs,
// command lines and file names, and the same whatever the case.
func New(rand io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return strings.ToLower(encoding.EncodeToString(b[:])), nil
}
