package tokensource

import (
	"fmt"
	"io"
	"log/slog"
)

// shown is what is seen of a credential: where it comes from.
func shown(kind, file string, fromFunc bool) string {
	switch {
	case file != "":
		return kind + " in " + file
	case fromFunc:
		return kind + " of a function"
	}
	return kind + " [redacted]"
}

// String says where the secret comes from, and never what it is.
func (c Secret) String() string { return shown("secret", c.File, c.Func != nil) }

// Format implements fmt.Formatter: every verb shows what String returns.
func (c Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and others, with what
// String returns.
func (c Secret) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue implements slog.LogValuer with what String returns.
func (c Secret) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String says where the key comes from, and never what it is.
func (c PrivateKey) String() string { return shown("private key", c.File, c.Func != nil) }

// Format implements fmt.Formatter: every verb shows what String returns.
func (c PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and others, with what
// String returns.
func (c PrivateKey) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue implements slog.LogValuer with what String returns.
func (c PrivateKey) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String says where the assertion comes from, and never what it is.
func (c Assertion) String() string { return shown("assertion", c.File, c.Func != nil) }

// Format implements fmt.Formatter: every verb shows what String returns.
func (c Assertion) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and others, with what
// String returns.
func (c Assertion) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue implements slog.LogValuer with what String returns.
func (c Assertion) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String says which kind of key it is and its ID.
func (k Key) String() string {
	alg, err := k.algorithm()
	if err != nil {
		return "no key"
	}
	return fmt.Sprintf("%s key %q", alg, k.ID)
}

// Format implements fmt.Formatter: every verb shows what String returns.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and others, with what
// String returns.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue implements slog.LogValuer with what String returns.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
