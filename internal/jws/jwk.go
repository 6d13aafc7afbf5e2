package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// members are those of a public JWK (RFC 7517, RFC 7518 section 6, RFC 8037).
// The first six, in this order, are what a thumbprint is made of.
type members struct {
	Curve    string    `json:"crv,omitempty"`
	Exponent string    `json:"e,omitempty"`
	Type     string    `json:"kty"`
	Modulus  string    `json:"n,omitempty"`
	X        string    `json:"x,omitempty"`
	Y        string    `json:"y,omitempty"`
	ID       string    `json:"kid,omitempty"`
	Alg      Algorithm `json:"alg,omitempty"`
	Use      string    `json:"use,omitempty"`
}

// PublicJWK returns the JSON of a public key as a JWK (RFC 7517), with kid, alg
// and use as given; each is left out if empty. Its error wraps ErrKey if
// CheckKey refuses the key, or alg does not fit it.
func PublicJWK(key crypto.PublicKey, kid string, alg Algorithm, use string) ([]byte, error) {
	m, err := publicMembers(key)
	if err != nil {
		return nil, err
	}
	if alg != "" {
		if err := alg.Check(key); err != nil {
			return nil, err
		}
	}
	m.ID, m.Alg, m.Use = kid, alg, use
	return json.Marshal(m)
}

// Thumbprint returns the SHA-256 thumbprint (RFC 7638) of a public key in
// base64url: a name for the key that everybody finds by himself. Its error wraps
// ErrKey if CheckKey refuses the key.
func Thumbprint(key crypto.PublicKey) (string, error) {
	m, err := publicMembers(key)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

func publicMembers(key crypto.PublicKey) (members, error) {
	if err := CheckKey(key); err != nil {
		return members{}, err
	}
	text := base64.RawURLEncoding.EncodeToString
	switch k := key.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(k.E))
		return members{Type: "RSA", Modulus: text(k.N.Bytes()), Exponent: text(e.Bytes())}, nil
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4, X, Y
		if err != nil {
			return members{}, fmt.Errorf("%w: %w", ErrKey, err)
		}
		size := len(point) / 2
		return members{Type: "EC", Curve: k.Params().Name, X: text(point[1 : 1+size]), Y: text(point[1+size:])}, nil
	case ed25519.PublicKey:
		return members{Type: "OKP", Curve: "Ed25519", X: text(k)}, nil
	}
	return members{}, fmt.Errorf("%w: %T", ErrKey, key)
}
