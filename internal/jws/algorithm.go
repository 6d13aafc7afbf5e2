package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
)

// An Algorithm is a signature algorithm by its JOSE name (RFC 7518 section 3.1,
// RFC 8037, RFC 9864), letter by letter. Those that are not named below, the
// symmetric ones and "none" among them, are unknown to this package.
type Algorithm string

// The algorithms that Sign and Verify know.
const (
	RS256   Algorithm = "RS256"   // RSASSA-PKCS1-v1_5 with SHA-256
	RS384   Algorithm = "RS384"   // RSASSA-PKCS1-v1_5 with SHA-384
	RS512   Algorithm = "RS512"   // RSASSA-PKCS1-v1_5 with SHA-512
	PS256   Algorithm = "PS256"   // RSASSA-PSS with SHA-256 and 32 bytes of salt
	PS384   Algorithm = "PS384"   // RSASSA-PSS with SHA-384 and 48 bytes of salt
	PS512   Algorithm = "PS512"   // RSASSA-PSS with SHA-512 and 64 bytes of salt
	ES256   Algorithm = "ES256"   // ECDSA on P-256 with SHA-256
	ES384   Algorithm = "ES384"   // ECDSA on P-384 with SHA-384
	ES512   Algorithm = "ES512"   // ECDSA on P-521 with SHA-512
	EdDSA   Algorithm = "EdDSA"   // Ed25519, by its name of RFC 8037
	Ed25519 Algorithm = "Ed25519" // Ed25519, by its name of RFC 9864
)

// Bounds of the RSA keys that are used, in bits of the modulus.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// What can be wrong. Compare with errors.Is.
var (
	// ErrAlgorithm: the algorithm is none that this package knows.
	ErrAlgorithm = errors.New("unknown signature algorithm")
	// ErrKey: the key is of the wrong type, curve or size for the algorithm,
	// or fit for none.
	ErrKey = errors.New("unfit key")
	// ErrSignature: the signature is not the key's over that input, or is not
	// in the form that RFC 7518 prescribes.
	ErrSignature = errors.New("signature does not verify")
	// ErrMalformed: text that is not what its RFC says.
	ErrMalformed = errors.New("malformed")
)

type family uint8

const (
	familyRSA family = iota + 1
	familyPSS
	familyECDSA
	familyEd25519
)

// A method is what an Algorithm stands for.
type method struct {
	family family
	hash   crypto.Hash
	curve  elliptic.Curve    // of familyECDSA
	size   int               // bytes of r and of s
	opts   crypto.SignerOpts // for crypto.Signer
	pss    *rsa.PSSOptions   // of familyPSS
}

func (a Algorithm) method() (m method, ok bool) {
	switch a {
	case RS256:
		return method{family: familyRSA, hash: crypto.SHA256, opts: crypto.SHA256}, true
	case RS384:
		return method{family: familyRSA, hash: crypto.SHA384, opts: crypto.SHA384}, true
	case RS512:
		return method{family: familyRSA, hash: crypto.SHA512, opts: crypto.SHA512}, true
	case PS256:
		return method{family: familyPSS, hash: crypto.SHA256, opts: &pss256, pss: &pss256}, true
	case PS384:
		return method{family: familyPSS, hash: crypto.SHA384, opts: &pss384, pss: &pss384}, true
	case PS512:
		return method{family: familyPSS, hash: crypto.SHA512, opts: &pss512, pss: &pss512}, true
	case ES256:
		return method{family: familyECDSA, hash: crypto.SHA256, curve: elliptic.P256(), size: 32, opts: crypto.SHA256}, true
	case ES384:
		return method{family: familyECDSA, hash: crypto.SHA384, curve: elliptic.P384(), size: 48, opts: crypto.SHA384}, true
	case ES512:
		return method{family: familyECDSA, hash: crypto.SHA512, curve: elliptic.P521(), size: 66, opts: crypto.SHA512}, true
	case EdDSA, Ed25519:
		return method{family: familyEd25519, opts: crypto.Hash(0)}, true
	}
	return method{}, false
}

// Read-only. The salt is as long as the hash (RFC 7518 section 3.5).
var (
	pss256 = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	pss384 = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA384}
	pss512 = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}
)

// Known reports whether Sign and Verify know a.
func (a Algorithm) Known() bool {
	_, ok := a.method()
	return ok
}

// Canonical returns a, or EdDSA for Ed25519: two names that mean the same
// algorithm have the same canonical one.
func (a Algorithm) Canonical() Algorithm {
	if a == Ed25519 {
		return EdDSA
	}
	return a
}

// Check returns nil if key, a public key, may be used with a, and otherwise an
// error that wraps ErrAlgorithm or ErrKey. It is cheap: that an RSA exponent is
// sound and a point lies on its curve is what CheckKey tests, once.
func (a Algorithm) Check(key crypto.PublicKey) error {
	m, ok := a.method()
	if !ok {
		return unknown(a)
	}
	return m.check(a, key)
}

func (m *method) check(a Algorithm, key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if m.family == familyRSA || m.family == familyPSS {
			return checkRSASize(k)
		}
	case *ecdsa.PublicKey:
		if m.family == familyECDSA && k != nil && k.Curve == m.curve {
			return nil
		}
	case ed25519.PublicKey:
		if m.family == familyEd25519 && len(k) == ed25519.PublicKeySize {
			return nil
		}
	}
	return fmt.Errorf("%w for %s", ErrKey, a)
}

func unknown(a Algorithm) error { return fmt.Errorf("%w %.16q", ErrAlgorithm, string(a)) }

// Algorithms returns the algorithms that key, a public key, may be used with,
// the one to prefer first; none if this package has no use for key. Ed25519
// keys are used under their older name, which more receivers know.
func Algorithms(key crypto.PublicKey) []Algorithm {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if checkRSASize(k) == nil {
			return []Algorithm{RS256, PS256, RS384, PS384, RS512, PS512}
		}
	case *ecdsa.PublicKey:
		for _, a := range []Algorithm{ES256, ES384, ES512} {
			if a.Check(k) == nil {
				return []Algorithm{a}
			}
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return []Algorithm{EdDSA, Ed25519}
		}
	}
	return nil
}

// CheckKey tests a public key that comes from outside: RSA of MinRSABits to
// MaxRSABits with an odd exponent of 3 to 2^31-1 that no ROCA chip made
// (CVE-2017-15361), ECDSA with a point on P-256, P-384 or P-521, Ed25519. Its
// error wraps ErrKey and says what is wrong.
func CheckKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if err := checkRSASize(k); err != nil {
			return err
		}
		if k.N.Bit(0) == 0 {
			return fmt.Errorf("%w: an even RSA modulus", ErrKey)
		}
		if k.E < 3 || k.E > 1<<31-1 || k.E%2 == 0 {
			return fmt.Errorf("%w: RSA exponent %d, want an odd one from 3 to 2^31-1", ErrKey, k.E)
		}
		if roca(k.N) {
			return fmt.Errorf("%w: RSA whose primes are easy to find (CVE-2017-15361, ROCA)", ErrKey)
		}
		return nil
	case *ecdsa.PublicKey:
		if len(Algorithms(k)) == 0 {
			return fmt.Errorf("%w: its curve is not P-256, P-384 or P-521", ErrKey)
		}
		if _, err := k.Bytes(); err != nil {
			return fmt.Errorf("%w: its point is not on its curve", ErrKey)
		}
		return nil
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: an Ed25519 key of %d bytes, want %d", ErrKey, len(k), ed25519.PublicKeySize)
		}
		return nil
	}
	return fmt.Errorf("%w: a %T is not a public key for signatures", ErrKey, key)
}

func checkRSASize(k *rsa.PublicKey) error {
	if k == nil || k.N == nil {
		return fmt.Errorf("%w: no RSA modulus", ErrKey)
	}
	if bits := k.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("%w: RSA of %d bits, want %d to %d", ErrKey, bits, MinRSABits, MaxRSABits)
	}
	return nil
}
