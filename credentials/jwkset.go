package credentials

import (
	"errors"
	"fmt"
	"slices"

	"github.com/clientele-go/clientele/internal/jws"
)

const (
	// MaxJWKSetSize is how long the JSON of a JWK Set may be, in bytes.
	MaxJWKSetSize = 1 << 20
	// MaxJWKSetKeys is how many keys a JWK Set may have, usable or not.
	MaxJWKSetKeys = 100
)

// ErrJWKSet: the JSON is not a JWK Set, or one that is too large.
var ErrJWKSet = errors.New("not a usable JWK Set")

// ParseJWKSet reads the keys of a JWK Set (RFC 7517 §5) that a client publishes:
// at most MaxJWKSetKeys in at most MaxJWKSetSize bytes. The error wraps ErrJWKSet
// if it is no JWK Set at all, or one of its objects has a member twice.
//
// A key that cannot be used leaves the others in use, and is warned of: one with
// secret members, for another use or operation, of another type, curve or size
// than a Key may have. So is a kid that several keys have, which all stay in use,
// and a key that stands in the set a second time, which does not. A set without
// any usable key is not an error: it takes back all keys that were there before.
func ParseJWKSet(data []byte) (keys []Key, warnings []Warning, err error) {
	if len(data) > MaxJWKSetSize {
		return nil, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrJWKSet, len(data), MaxJWKSetSize)
	}
	parsed, skipped, err := jws.ParseJWKSet(data, MaxJWKSetKeys)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrJWKSet, err)
	}
	seen := make(map[string]bool, len(parsed)) // by kid
	for item := 1; len(parsed)+len(skipped) > 0; item++ {
		if len(skipped) > 0 && skipped[0].Index == item-1 {
			warnings = append(warnings, ignoredKey(item, skipped[0].KeyID, skipped[0].Err))
			skipped = skipped[1:]
			continue
		}
		jwk := parsed[0]
		parsed = parsed[1:]
		key, err := newKey(jwk.Key)
		if err != nil {
			warnings = append(warnings, ignoredKey(item, jwk.KeyID, err))
			continue
		}
		key.keyID, key.algorithm = jwk.KeyID, jwk.Algorithm
		again := slices.ContainsFunc(keys, func(k Key) bool {
			return k.thumbprint == key.thumbprint && k.keyID == key.keyID && k.algorithm == key.algorithm
		})
		switch {
		case again:
			warnings = append(warnings, Warning{Item: item, KeyID: key.keyID, Text: "ignored: the same key stands in the set before"})
			continue
		case key.keyID != "" && seen[key.keyID]:
			warnings = append(warnings, Warning{Item: item, KeyID: key.keyID, Text: "its kid is that of another key too: both are tried"})
		}
		seen[key.keyID] = true
		keys = append(keys, key)
	}
	if len(keys) > MaxKeys {
		warnings = append(warnings, Warning{Text: fmt.Sprintf(
			"%d keys, of which at most %d are tried for an assertion: each assertion should name its key by kid", len(keys), MaxKeys)})
	}
	return keys, warnings, nil
}

// ignoredKey says why a key is not used.
func ignoredKey(item int, keyID string, err error) Warning {
	w := Warning{Item: item, KeyID: keyID, Text: "ignored: " + err.Error()}
	if errors.Is(err, jws.ErrPrivate) {
		w.Leaked = true
		w.Text = "ignored: it is published with its secret part; treat it as leaked, and publish the public part of a new key"
	}
	return w
}
