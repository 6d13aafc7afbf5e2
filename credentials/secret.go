package credentials

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

// The parts of a secret: cls_ id _ body checksum.
const (
	secretPrefix = "cls_" // what secret scanners look for
	secretIDLen  = 8      // the id of its entry: 47 bits
	secretBody   = 43     // 43 characters of 62: 256 bits
	secretSum    = 6      // CRC-32 of all before it
	secretLen    = len(secretPrefix) + secretIDLen + 1 + secretBody + secretSum

	redacted = "[redacted]"
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// MaxSecretLen is the length in bytes beyond which nothing is taken for a secret,
// whoever made it.
const MaxSecretLen = 1024

// ErrMalformed: the text is not a secret that NewSecret made. The error says
// no more, and nothing of the text, but whether the checksum is at fault.
var ErrMalformed = errors.New("malformed secret")

// A Secret is a client secret that was generated here: a recognisable prefix,
// the id of its entry, 256 random bits and a checksum, in A-Z, a-z, 0-9 and
// '_', so that neither curl nor a shell needs it escaped:
//
//	cls_q7Xk2mPa_ … 43 characters … 6 characters
//
// Its value is shown by Reveal alone: fmt (with any verb), encoding/json, and
// log/slog show the prefix and the id. The zero Secret is empty.
type Secret struct {
	// Behind a pointer, because fmt shows what unexported fields of other
	// structs hold without asking for their String method.
	value *string
}

// NewSecret makes a Secret from rand, which should be crypto/rand.Reader. Its
// error is that of rand.
func NewSecret(rand io.Reader) (Secret, error) {
	var b strings.Builder
	b.Grow(secretLen)
	b.WriteString(secretPrefix)
	if err := randomText(&b, rand, secretIDLen); err != nil {
		return Secret{}, err
	}
	b.WriteByte('_')
	if err := randomText(&b, rand, secretBody); err != nil {
		return Secret{}, err
	}
	b.WriteString(checksum(b.String()))
	value := b.String()
	return Secret{&value}, nil
}

// randomText writes n characters, each equally likely.
func randomText(b *strings.Builder, rand io.Reader, n int) error {
	var buf [64]byte
	for range 64 { // of which one or two are enough, unless rand is broken
		if n == 0 {
			return nil
		}
		if _, err := io.ReadFull(rand, buf[:]); err != nil {
			return fmt.Errorf("reading randomness: %w", err)
		}
		for _, c := range buf {
			if c = c & 63; int(c) < len(alphabet) && n > 0 {
				b.WriteByte(alphabet[c])
				n--
			}
		}
	}
	return errors.New("reading randomness: the source is not random")
}

// checksum is the CRC-32 (IEEE) of s in base 62.
func checksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	var b [secretSum]byte
	for i := range b {
		b[len(b)-1-i] = alphabet[sum%62]
		sum /= 62
	}
	return string(b[:])
}

// ParseSecret returns the Secret that s is, or an error that wraps
// ErrMalformed: what was mistyped, cut or never was a secret is known without
// looking anything up.
func ParseSecret(s string) (Secret, error) {
	if len(s) != secretLen || !strings.HasPrefix(s, secretPrefix) || s[len(secretPrefix)+secretIDLen] != '_' {
		return Secret{}, ErrMalformed
	}
	body, sum := s[:secretLen-secretSum], s[secretLen-secretSum:]
	if checksum(body) != sum {
		return Secret{}, fmt.Errorf("%w: wrong checksum", ErrMalformed)
	}
	for i := len(secretPrefix); i < len(body); i++ {
		if i != len(secretPrefix)+secretIDLen && strings.IndexByte(alphabet, body[i]) < 0 {
			return Secret{}, ErrMalformed
		}
	}
	return Secret{&s}, nil
}

// Reveal returns the value: for the one moment in which it is shown to its
// owner, and for the request that presents it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// ID returns the id of the secret's entry, which is part of the value and not
// secret. It has 8 characters, or none in the zero Secret.
func (s Secret) ID() string {
	if s.value == nil {
		return ""
	}
	return (*s.value)[len(secretPrefix):][:secretIDLen]
}

// Digest returns what is kept in place of the secret.
func (s Secret) Digest() Digest { return DigestOf(s.Reveal()) }

// String returns the prefix and the id, and not the value.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return secretPrefix + s.ID() + "_" + redacted
}

// Format implements fmt.Formatter: every verb shows what String returns.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and others, with what
// String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer with what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// A Digest is the SHA-256 of a secret as it is presented. A secret of 256 random
// bits can't be found from it by trying, so that no slower hash and no salt is
// needed.
type Digest [sha256.Size]byte

// DigestOf returns the Digest of a secret as it is presented. Of what is longer
// than MaxSecretLen only the beginning is looked at, so that the work is
// bounded; Equal is what refuses it.
func DigestOf(presented string) Digest {
	var b [MaxSecretLen + 1]byte // on the stack
	return sha256.Sum256(b[:copy(b[:], presented)])
}

// Equal reports whether d and other are the same, in a time that does not
// depend on where they differ.
func (d Digest) Equal(other Digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// String returns the first 8 hexadecimal digits: enough to tell digests apart.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:4]) + "…" }

// MarshalText implements encoding.TextMarshaler: all 64 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a SHA-256 digest has %d hexadecimal digits, not %d", hex.EncodedLen(len(d)), len(text))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return errors.New("a SHA-256 digest has hexadecimal digits only")
	}
	return nil
}
