package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/internal/strictjson"
)

// A JWK is a public key from a JWK Set that may be used to verify signatures.
type JWK struct {
	Key       crypto.PublicKey // that CheckKey found sound
	KeyID     string           // kid; empty if absent
	Algorithm Algorithm        // alg; empty if any that fits the key will do
}

// Fits reports whether signatures by alg may be verified with k.
func (k *JWK) Fits(alg Algorithm) bool {
	if k.Algorithm != "" && k.Algorithm.Canonical() != alg.Canonical() {
		return false
	}
	return alg.Check(k.Key) == nil
}

// ErrPrivate is wrapped by what is wrong with a key of a JWK Set that holds
// secret material: it has leaked.
var ErrPrivate = errors.New("secret key material in a JWK Set")

// A SkippedKey is a key of a JWK Set that cannot be used, which leaves the
// others in use.
type SkippedKey struct {
	Index int    // in the set
	KeyID string // kid; empty if absent
	Err   error  // why; never with key material in its text
}

// ParseJWKSet reads the JSON of a JWK Set (RFC 7517 section 5) of at most most
// keys. Keys that cannot verify signatures are skipped: those for another use or
// operation, of unknown types, curves and algorithms, weak ones, ones with
// secret material. A JSON that is no JWK Set is an error that wraps
// ErrMalformed; a set without any key is not.
func ParseJWKSet(data []byte, most int) (keys []JWK, skipped []SkippedKey, err error) {
	var set strictjson.Object
	var list strictjson.Value
	set.Reset(data)
	for set.Next() {
		if string(set.Key()) == "keys" {
			list = set.Value()
		}
	}
	if err := set.Err(); err != nil {
		return nil, nil, fmt.Errorf("%w JWK Set: %w", ErrMalformed, err)
	}
	if list.Kind != strictjson.KindArray {
		return nil, nil, fmt.Errorf("%w JWK Set: no array keys", ErrMalformed)
	}
	for i, elements := 0, list.Elements(); elements.Next(); i++ {
		if i == most {
			return nil, nil, fmt.Errorf("%w JWK Set: more than %d keys", ErrMalformed, most)
		}
		kid, key, err := parseJWK(elements.Value())
		if err != nil {
			skipped = append(skipped, SkippedKey{Index: i, KeyID: kid, Err: err})
			continue
		}
		keys = append(keys, key)
	}
	return keys, skipped, nil
}

// jwkText are the members of a JWK that hold text, all in one place.
type jwkText struct {
	kty, crv, x, y, n, e, kid, alg, use string
}

func (t *jwkText) at(name []byte) *string {
	switch string(name) {
	case "kty":
		return &t.kty
	case "crv":
		return &t.crv
	case "x":
		return &t.x
	case "y":
		return &t.y
	case "n":
		return &t.n
	case "e":
		return &t.e
	case "kid":
		return &t.kid
	case "alg":
		return &t.alg
	case "use":
		return &t.use
	}
	return nil
}

func parseJWK(v strictjson.Value) (kid string, key JWK, err error) {
	var t jwkText
	var object strictjson.Object
	if !v.Members(&object) {
		return "", JWK{}, fmt.Errorf("%w: a key that is no object", ErrMalformed)
	}
	for object.Next() {
		if fault := t.set(object.Key(), object.Value()); err == nil {
			err = fault // the first; kid may come behind it
		}
	}
	if err != nil {
		return t.kid, JWK{}, err
	}
	key, err = t.key()
	return t.kid, key, err
}

// set takes in one member of a JWK.
func (t *jwkText) set(name []byte, v strictjson.Value) error {
	switch string(name) {
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
		return ErrPrivate
	case "key_ops":
		if ops, ok := v.Texts(16); !ok || !slices.Contains(ops, "verify") {
			return fmt.Errorf("%w: not for verifying, by its key_ops", ErrKey)
		}
		return nil
	}
	text := t.at(name)
	if text == nil {
		return nil
	}
	var ok bool
	if *text, ok = v.Text(); !ok {
		return fmt.Errorf("%w: %s of a key is not a string", ErrMalformed, name)
	}
	return nil
}

func (t *jwkText) key() (JWK, error) {
	if t.use != "" && t.use != "sig" {
		return JWK{}, fmt.Errorf("%w: not for signatures, by its use", ErrKey)
	}
	k := JWK{KeyID: t.kid, Algorithm: Algorithm(t.alg)}
	var err error
	switch t.kty {
	case "RSA":
		k.Key, err = t.rsa()
	case "EC":
		k.Key, err = t.ec()
	case "OKP":
		k.Key, err = t.okp()
	default:
		return JWK{}, fmt.Errorf("%w: kty is not RSA, EC or OKP", ErrKey)
	}
	if err != nil {
		return JWK{}, err
	}
	if err := CheckKey(k.Key); err != nil {
		return JWK{}, err
	}
	if k.Algorithm != "" {
		if err := k.Algorithm.Check(k.Key); err != nil {
			return JWK{}, err
		}
	}
	return k, nil
}

func (t *jwkText) rsa() (crypto.PublicKey, error) {
	n, err := number("n", t.n, MaxRSABits/8)
	if err != nil {
		return nil, err
	}
	e, err := number("e", t.e, 4)
	if err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

func (t *jwkText) ec() (crypto.PublicKey, error) {
	var curve elliptic.Curve
	switch t.crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("%w: crv is not P-256, P-384 or P-521", ErrKey)
	}
	size := (curve.Params().BitSize + 7) / 8
	x, err := number("x", t.x, size)
	if err != nil {
		return nil, err
	}
	y, err := number("y", t.y, size)
	if err != nil {
		return nil, err
	}
	// Some write coordinates without their leading zeros.
	point := make([]byte, 1+2*size)
	point[0] = 4
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: its point is not on its curve", ErrKey)
	}
	return key, nil
}

func (t *jwkText) okp() (crypto.PublicKey, error) {
	if t.crv != "Ed25519" {
		return nil, fmt.Errorf("%w: crv is not Ed25519", ErrKey)
	}
	x, err := octets("x", t.x)
	if err != nil {
		return nil, err
	}
	return ed25519.PublicKey(x), nil // its length is for CheckKey
}

// number decodes a whole number above zero, without its leading zeros, and of at
// most size bytes.
func number(name, text string, size int) ([]byte, error) {
	b, err := octets(name, text)
	if err != nil {
		return nil, err
	}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) > size {
		return nil, fmt.Errorf("%w: %s of a key is too large", ErrKey, name)
	}
	return b, nil
}

// octets decodes base64url. Padding is stepped over: some write it, and a key
// is not a place where a second way to write the same does harm.
func octets(name, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, fmt.Errorf("%w: %s of a key is not base64url", ErrMalformed, name)
	}
	return b, nil
}
