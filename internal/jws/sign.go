package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
)

// maxDigest is the size of the longest digest, that of SHA-512.
const maxDigest = sha512.Size

// sum returns the digest of input by m's hash; digest is room for it.
func (m *method) sum(input []byte, digest *[maxDigest]byte) []byte {
	switch m.hash {
	case crypto.SHA256:
		*(*[sha256.Size]byte)(digest[:]) = sha256.Sum256(input)
		return digest[:sha256.Size]
	case crypto.SHA384:
		*(*[sha512.Size384]byte)(digest[:]) = sha512.Sum384(input)
		return digest[:sha512.Size384]
	default:
		*digest = sha512.Sum512(input)
		return digest[:]
	}
}

// Sign appends to dst the signature of signingInput by alg, in the form that
// RFC 7518 and RFC 8037 prescribe (for ECDSA r and s of fixed length, not DER),
// and returns the extended slice. It is raw, not base64url. On an error dst is
// returned unchanged.
//
// Any crypto.Signer works, a key service or a hardware module too: it gets the
// digest, or the message itself for Ed25519, or if it is a crypto.MessageSigner.
// The error wraps ErrAlgorithm or ErrKey if alg and the signer's public key do
// not go together, else the signer's own.
func Sign(alg Algorithm, signer crypto.Signer, signingInput, dst []byte) ([]byte, error) {
	m, ok := alg.method()
	if !ok {
		return dst, unknown(alg)
	}
	var sig []byte
	var err error
	switch key := signer.(type) {
	case *ecdsa.PrivateKey:
		if err := m.check(alg, &key.PublicKey); err != nil {
			return dst, err
		}
		var room [maxDigest]byte
		sig, err = ecdsa.SignASN1(rand.Reader, key, m.sum(signingInput, &room))
	case ed25519.PrivateKey:
		if m.family != familyEd25519 || len(key) != ed25519.PrivateKeySize {
			return dst, fmt.Errorf("%w for %s", ErrKey, alg)
		}
		sig = ed25519.Sign(key, signingInput)
	default:
		if err := m.check(alg, signer.Public()); err != nil {
			return dst, err
		}
		sig, err = crypto.SignMessage(signer, rand.Reader, signingInput, m.opts)
	}
	if err != nil {
		return dst, fmt.Errorf("sign by %s: %w", alg, err)
	}
	if m.family == familyECDSA {
		return appendRaw(dst, sig, m.size)
	}
	if want := m.signatureSize(signer); len(sig) != want {
		return dst, fmt.Errorf("sign by %s: the signer returned %d bytes, want %d", alg, len(sig), want)
	}
	return append(dst, sig...), nil
}

// signatureSize returns the length of a signature by a signer whose public key
// was checked.
func (m *method) signatureSize(signer crypto.Signer) int {
	switch m.family {
	case familyECDSA:
		return 2 * m.size
	case familyEd25519:
		return ed25519.SignatureSize
	default:
		key, _ := signer.Public().(*rsa.PublicKey)
		return key.Size()
	}
}

// AppendCompact appends to dst the compact serialization (RFC 7515 section 7.1)
// of payload signed by alg, and returns the extended slice. The header is the
// JSON of the protected header; that it names alg is the caller's duty. On an
// error dst is returned unchanged.
func AppendCompact(dst []byte, alg Algorithm, signer crypto.Signer, header, payload []byte) ([]byte, error) {
	start := len(dst)
	dst = base64.RawURLEncoding.AppendEncode(dst, header)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, payload)
	return AppendSignature(dst, start, alg, signer)
}

// AppendSignature signs what stands in dst from start on, a signing input, and
// appends a dot and the signature in base64url. It is for who has the encoded
// header and parts of the encoded payload at hand already. On an error dst is
// returned cut back to start.
func AppendSignature(dst []byte, start int, alg Algorithm, signer crypto.Signer) ([]byte, error) {
	var room [2 * 66]byte // for all but RSA
	sig, err := Sign(alg, signer, dst[start:], room[:0])
	if err != nil {
		return dst[:start], err
	}
	dst = append(dst, '.')
	return base64.RawURLEncoding.AppendEncode(dst, sig), nil
}
