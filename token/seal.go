package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// ErrSealed: a signing key can't be opened with any of the sealing keys.
var ErrSealed = errors.New("sealed with another sealing key")

const sealingKeyLen = 32

// A SealingKey is what private keys are encrypted with at rest: 256 random bits
// that the program keeps apart from the store, in a secret manager perhaps. Make
// one with NewSealingKey, or with any tool: openssl rand -base64 32.
//
// fmt, encoding/json and log/slog show its ID only. The zero SealingKey is none.
type SealingKey struct {
	// Behind a pointer, because fmt shows what unexported fields of other
	// structs hold without asking for their String method; and to a string,
	// because it follows pointers to arrays.
	key *string
}

// NewSealingKey makes a SealingKey from rand, which should be
// crypto/rand.Reader. Its error is that of rand.
func NewSealingKey(rand io.Reader) (SealingKey, error) {
	var b [sealingKeyLen]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return SealingKey{}, fmt.Errorf("reading randomness: %w", err)
	}
	key := string(b[:])
	return SealingKey{&key}, nil
}

// ParseSealingKey reads what Reveal returns: 32 bytes in base64, with or without
// padding and in either alphabet. White space around it is ignored.
func ParseSealingKey(s string) (SealingKey, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	s = strings.NewReplacer("+", "-", "/", "_").Replace(s)
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != sealingKeyLen {
		return SealingKey{}, errors.New("a sealing key is 32 random bytes in base64")
	}
	key := string(b)
	return SealingKey{&key}, nil
}

// Reveal returns the key in base64: for the one moment in which it is saved.
func (k SealingKey) Reveal() string {
	if k.key == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(*k.key))
}

// ID returns 16 hexadecimal digits that tell this key from others and reveal
// nothing of it.
func (k SealingKey) ID() string {
	if k.key == nil {
		return ""
	}
	return hex.EncodeToString(k.derive("clientele sealing key id", 8))
}

// String returns the ID.
func (k SealingKey) String() string { return "sealing key " + k.ID() }

// Format implements fmt.Formatter: every verb shows what String returns.
func (k SealingKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and others, with what
// String returns.
func (k SealingKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue implements slog.LogValuer with what String returns.
func (k SealingKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k SealingKey) derive(purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, []byte(*k.key), nil, purpose, n)
	if err != nil {
		panic(err) // lengths are constant and small
	}
	return b
}

// sealed is a private key at rest.
type sealed struct {
	By    string `json:"by"`    // SealingKey.ID
	Nonce []byte `json:"nonce"` // of AES-256-GCM
	Box   []byte `json:"box"`
}

func (k SealingKey) seal(rand io.Reader, plain, bound []byte) (sealed, error) {
	aead := k.aead()
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return sealed{}, fmt.Errorf("reading randomness: %w", err)
	}
	return sealed{By: k.ID(), Nonce: nonce, Box: aead.Seal(nil, nonce, plain, bound)}, nil
}

// open returns what was sealed by one of keys, bound to the same bytes.
func (s sealed) open(keys []SealingKey, bound []byte) ([]byte, error) {
	for _, k := range keys {
		if k.ID() != s.By {
			continue
		}
		aead := k.aead()
		if len(s.Nonce) != aead.NonceSize() {
			return nil, errors.New("damaged: nonce of a wrong length")
		}
		plain, err := aead.Open(nil, s.Nonce, s.Box, bound)
		if err != nil {
			return nil, fmt.Errorf("damaged: sealing key %s does not open it", s.By)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w (%s), which is not among the %d given", ErrSealed, s.By, len(keys))
}

func (k SealingKey) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("clientele signing keys", 32))
	if err != nil {
		panic(err) // 32 bytes is a length of AES
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the block size of GCM
	}
	return aead
}
