package tokensource

import (
	"bytes"
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

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/strictjson"
)

// privateJWK are the members of a private JWK that hold text (RFC 7518 section
// 6, RFC 8037 section 2). Those that only speed RSA up are computed anew.
type privateJWK struct {
	kty, crv, x, y, d, n, e, p, q, kid, alg, use string
}

func (j *privateJWK) at(name []byte) *string {
	switch string(name) {
	case "kty":
		return &j.kty
	case "crv":
		return &j.crv
	case "x":
		return &j.x
	case "y":
		return &j.y
	case "d":
		return &j.d
	case "n":
		return &j.n
	case "e":
		return &j.e
	case "p":
		return &j.p
	case "q":
		return &j.q
	case "kid":
		return &j.kid
	case "alg":
		return &j.alg
	case "use":
		return &j.use
	}
	return nil
}

func parseJWK(data []byte) (Key, error) {
	var j privateJWK
	var object strictjson.Object
	object.Reset(data)
	for object.Next() {
		switch name := string(object.Key()); name {
		case "keys":
			return Key{}, errors.New("a JWK Set, want one key of it")
		case "oth":
			return Key{}, errors.New("an RSA key of more than two primes")
		case "key_ops":
			if ops, ok := object.Value().Texts(16); !ok || !slices.Contains(ops, "sign") {
				return Key{}, errors.New("the JWK is not for signing, by its key_ops")
			}
		default:
			text := j.at(object.Key())
			if text == nil {
				continue
			}
			var ok bool
			if *text, ok = object.Value().Text(); !ok {
				return Key{}, fmt.Errorf("%s of the JWK is no string", name)
			}
		}
	}
	if err := object.Err(); err != nil {
		return Key{}, fmt.Errorf("the JWK: %w", err)
	}
	if j.use != "" && j.use != "sig" {
		return Key{}, errors.New("the JWK is not for signatures, by its use")
	}
	if j.d == "" {
		return Key{}, errors.New("the JWK is no private key")
	}
	signer, err := j.signer()
	if err != nil {
		return Key{}, err
	}
	return Key{Signer: signer, ID: j.kid, Algorithm: j.alg}, nil
}

func (j *privateJWK) signer() (crypto.Signer, error) {
	switch j.kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec()
	case "OKP":
		return j.okp()
	}
	return nil, errors.New("kty of the JWK is not RSA, EC or OKP")
}

// errPair is all that is said of numbers that do not fit together.
var errPair = errors.New("the private and the public part of the JWK do not belong together")

func (j *privateJWK) rsa() (crypto.Signer, error) {
	var numbers [5]*big.Int
	for i, part := range []struct{ name, text string }{{"n", j.n}, {"e", j.e}, {"d", j.d}, {"p", j.p}, {"q", j.q}} {
		b, err := octets(part.name, part.text)
		if err != nil {
			return nil, err
		}
		if len(b) > jws.MaxRSABits/8+1 { // with a leading zero
			return nil, fmt.Errorf("%s of the JWK is too large", part.name)
		}
		numbers[i] = new(big.Int).SetBytes(b)
	}
	n, e, d, p, q := numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
	if e.BitLen() > 31 {
		return nil, errors.New("e of the JWK is too large")
	}
	if d.Cmp(n) >= 0 || p.Cmp(n) >= 0 || q.Cmp(n) >= 0 {
		return nil, errPair
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	if err := jws.CheckKey(&key.PublicKey); err != nil {
		return nil, err
	}
	key.Precompute()
	if key.Validate() != nil {
		return nil, errPair
	}
	return key, nil
}

func (j *privateJWK) ec() (crypto.Signer, error) {
	var curve elliptic.Curve
	switch j.crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, errors.New("crv of the JWK is not P-256, P-384 or P-521")
	}
	size := (curve.Params().BitSize + 7) / 8
	var numbers [3][]byte
	for i, part := range []struct{ name, text string }{{"d", j.d}, {"x", j.x}, {"y", j.y}} {
		b, err := octets(part.name, part.text)
		if err != nil {
			return nil, err
		}
		if b = bytes.TrimLeft(b, "\x00"); len(b) > size {
			return nil, fmt.Errorf("%s of the JWK is too large", part.name)
		}
		numbers[i] = append(make([]byte, size-len(b)), b...) // some leave zeros out
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, numbers[0])
	if err != nil {
		return nil, errors.New("d of the JWK is no private key of its curve")
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil || !bytes.Equal(point[1:1+size], numbers[1]) || !bytes.Equal(point[1+size:], numbers[2]) {
		return nil, errPair
	}
	return key, nil
}

func (j *privateJWK) okp() (crypto.Signer, error) {
	if j.crv != "Ed25519" {
		return nil, errors.New("crv of the JWK is not Ed25519")
	}
	seed, err := octets("d", j.d)
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("d of the JWK has not 32 bytes")
	}
	x, err := octets("x", j.x)
	if err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(seed)
	if !bytes.Equal(key[ed25519.SeedSize:], x) {
		return nil, errPair
	}
	return key, nil
}

// octets decodes base64url, with padding or without.
func octets(name, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%s of the JWK is missing or not base64url", name)
	}
	return b, nil
}
