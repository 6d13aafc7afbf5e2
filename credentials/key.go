package credentials

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1" // #nosec G505 -- x5t is SHA-1 (RFC 7515 §4.1.7)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clientele-go/clientele/internal/jws"
)

const (
	// MaxKeys is how many public keys may be uploaded for a client, and so how
	// many a PEM text may hold. It is also how many keys are tried for an
	// assertion, so that an uploaded key always gets its turn.
	MaxKeys = 10
	// MaxKeyName is how long the name of a Key may be, in code points.
	MaxKeyName = 255

	// minRSAExponent is the least that FIPS 186-5 allows, and what everybody
	// uses. Smaller ones are a sign of a key that was made by hand.
	minRSAExponent = 65537
)

// A Key is a public key that a client signs its assertions with: RSA of 2048 to
// 8192 bits with an exponent of 65537 to 2^31-1, ECDSA on P-256, P-384 or P-521,
// or Ed25519. It may come with a certificate, which gives it a validity and
// nothing else: neither its chain nor its CA flag counts here.
//
// A Key is made by NewKey, ParsePEM or ParseJWKSet, which refuse any other, and
// does not change. It may be copied, and used by several goroutines. The zero
// Key is none: it verifies nothing.
type Key struct {
	public     crypto.PublicKey
	thumbprint string
	name       string

	// Of a JWK.
	keyID     string
	algorithm jws.Algorithm

	certificate *certificate // nil for a key without one
}

// A certificate is what counts of it.
type certificate struct {
	der                 []byte
	notBefore, notAfter time.Time
	x5t, x5tS256        string
}

// NewKey returns the Key that public is: a *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey, which is copied. Its error says what is wrong with it.
func NewKey(public crypto.PublicKey) (Key, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k != nil && k.N != nil {
			public = &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
		}
	case *ecdsa.PublicKey:
		if k != nil && k.Curve != nil {
			point, err := k.Bytes()
			if err != nil {
				return Key{}, errors.New("an EC key whose curve is not P-256, P-384 or P-521, or whose point is not on it")
			}
			if public, err = ecdsa.ParseUncompressedPublicKey(k.Curve, point); err != nil {
				return Key{}, fmt.Errorf("an EC key: %w", err)
			}
		}
	case ed25519.PublicKey:
		public = ed25519.PublicKey(append([]byte(nil), k...))
	}
	return newKey(public)
}

// newKey returns the Key that public is, which nobody else may change.
func newKey(public crypto.PublicKey) (Key, error) {
	thumbprint, err := jws.Thumbprint(public)
	if err != nil {
		return Key{}, err
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.E < minRSAExponent {
			return Key{}, fmt.Errorf("%w: RSA exponent %d, want %d or more", jws.ErrKey, k.E, minRSAExponent)
		}
	case ed25519.PublicKey:
		if smallOrder(k) {
			return Key{}, fmt.Errorf("%w: an Ed25519 key of small order, for which anybody can sign", jws.ErrKey)
		}
	}
	return Key{public: public, thumbprint: thumbprint}, nil
}

// smallOrder reports whether an Ed25519 key is a point of order 1, 2, 4 or 8, in
// any of the ways to write it.
func smallOrder(key ed25519.PublicKey) bool {
	b := [ed25519.PublicKeySize]byte(key)
	b[len(b)-1] &= 0x7f // the sign of x
	switch hex.EncodeToString(b[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return true
	}
	return false
}

// newCertificateKey returns the Key of a certificate.
func newCertificateKey(cert *x509.Certificate) (Key, error) {
	key, err := newKey(cert.PublicKey)
	if err != nil {
		return Key{}, err
	}
	sum1, sum256 := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw) // #nosec G401 -- x5t only chooses which key is tried
	key.certificate = &certificate{
		der: cert.Raw, notBefore: cert.NotBefore, notAfter: cert.NotAfter,
		x5t:     base64.RawURLEncoding.EncodeToString(sum1[:]),
		x5tS256: base64.RawURLEncoding.EncodeToString(sum256[:]),
	}
	return key, nil
}

// WithName returns a copy of k that has that name: what people call it by, and
// what the kid of an assertion may be. Its error says what is wrong with a name
// that is longer than MaxKeyName, not UTF-8, or has control characters.
func (k Key) WithName(name string) (Key, error) {
	switch {
	case !utf8.ValidString(name):
		return Key{}, errors.New("the name of a key is not UTF-8")
	case utf8.RuneCountInString(name) > MaxKeyName:
		return Key{}, fmt.Errorf("the name of a key has %d characters, at most %d", utf8.RuneCountInString(name), MaxKeyName)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return Key{}, errors.New("the name of a key has a control character")
		}
	}
	k.name = name
	return k, nil
}

// Name returns the name that WithName gave it, or none.
func (k Key) Name() string { return k.name }

// PublicKey returns the key itself: a *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey. It is shared and read-only.
func (k Key) PublicKey() crypto.PublicKey { return k.public }

// Thumbprint returns the SHA-256 thumbprint of the key as a JWK (RFC 7638), in
// base64url: 43 characters. It is the same for a key and for every certificate of
// it.
func (k Key) Thumbprint() string { return k.thumbprint }

// Algorithms returns the JOSE names of the algorithms that the key may be used
// with, the one to prefer first. The alg of a JWK leaves one of them, or both
// names of Ed25519.
func (k Key) Algorithms() []string {
	var names []string
	for _, alg := range jws.Algorithms(k.public) {
		if k.fits(alg) {
			names = append(names, string(alg))
		}
	}
	return names
}

// fits reports whether a signature by alg may be verified with k.
func (k *Key) fits(alg jws.Algorithm) bool {
	if k.algorithm != "" && k.algorithm.Canonical() != alg.Canonical() {
		return false
	}
	return alg.Check(k.public) == nil
}

// KeyID returns the kid of a JWK, or none.
func (k Key) KeyID() string { return k.keyID }

// IsCertificate reports whether the key came with a certificate.
func (k Key) IsCertificate() bool { return k.certificate != nil }

// NotBefore returns when the validity of the certificate begins; the zero time for
// a key without one.
func (k Key) NotBefore() time.Time {
	if k.certificate == nil {
		return time.Time{}
	}
	return k.certificate.notBefore
}

// NotAfter returns the last moment at which the certificate is valid; the zero
// time for a key without one.
func (k Key) NotAfter() time.Time {
	if k.certificate == nil {
		return time.Time{}
	}
	return k.certificate.notAfter
}

// ValidAt reports whether the key may be used at now: always, unless it came with
// a certificate. There is no leeway.
func (k Key) ValidAt(now time.Time) bool {
	return k.certificate == nil || !now.Before(k.certificate.notBefore) && !now.After(k.certificate.notAfter)
}

// X5T returns the SHA-1 thumbprint of the certificate (x5t, RFC 7515 §4.1.7), in
// base64url; empty for a key without one.
func (k Key) X5T() string {
	if k.certificate == nil {
		return ""
	}
	return k.certificate.x5t
}

// X5TS256 returns the SHA-256 thumbprint of the certificate (x5t#S256, RFC 7515
// §4.1.8), in base64url; empty for a key without one.
func (k Key) X5TS256() string {
	if k.certificate == nil {
		return ""
	}
	return k.certificate.x5tS256
}

// Type describes the kind of key for people: "RSA 2048", "EC P-256", "Ed25519".
func (k Key) Type() string {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", public.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + public.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "no key"
}

// String describes the key for people and logs: its type, its name or kid, and
// its thumbprint.
func (k Key) String() string {
	s := k.Type()
	if k.IsCertificate() {
		s += " certificate"
	}
	if name := cmp.Or(k.name, k.keyID); name != "" {
		s += fmt.Sprintf(" %.64q", name)
	}
	if k.thumbprint != "" {
		s += " " + k.thumbprint
	}
	return s
}

// MarshalPEM returns the key as one PEM block that ParsePEM reads back to the
// same Key, but for its name and what a JWK says of it: the certificate that it
// came with as a CERTIFICATE, else a PUBLIC KEY (RFC 7468). Of the zero Key it
// returns nil.
func (k Key) MarshalPEM() []byte {
	if k.certificate != nil {
		return pem.EncodeToMemory(&pem.Block{Type: labelCertificate, Bytes: k.certificate.der})
	}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return nil // the zero Key: a sound key marshals
	}
	return pem.EncodeToMemory(&pem.Block{Type: labelPublicKey, Bytes: der})
}

// A Warning says what an administrator should know about keys that were taken
// all the same, or about keys of a JWK Set that were left out.
type Warning struct {
	// Item is which block of the PEM text, or which key of the JWK Set, it is
	// about, counted from 1; 0 if it is about the whole.
	Item int
	// KeyID is the kid of a key of a JWK Set, or empty.
	KeyID string
	// Text says what it is, in lower case, and holds no key material.
	Text string
	// Leaked says that secret key material was found: the key should be
	// treated as known to everybody.
	Leaked bool
}

// String returns the text with what it is about before it.
func (w Warning) String() string {
	switch {
	case w.Item == 0:
		return w.Text
	case w.KeyID == "":
		return fmt.Sprintf("key %d: %s", w.Item, w.Text)
	}
	return fmt.Sprintf("key %d (%.64q): %s", w.Item, w.KeyID, w.Text)
}
