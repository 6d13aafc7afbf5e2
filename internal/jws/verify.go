package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
)

// Verify returns nil if sig is a signature of signingInput by alg with key, and
// in the only form that RFC 7518 and RFC 8037 allow. Otherwise its error wraps
// ErrAlgorithm, ErrKey or ErrSignature. It keeps neither slice.
//
// The key is a *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey that
// CheckKey found sound.
func Verify(alg Algorithm, key crypto.PublicKey, signingInput, sig []byte) error {
	m, ok := alg.method()
	if !ok {
		return unknown(alg)
	}
	if err := m.check(alg, key); err != nil {
		return err
	}
	var room [maxDigest]byte
	verified := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		var der [maxDER]byte
		if len(sig) != 2*m.size {
			break
		}
		verified = ecdsa.VerifyASN1(k, m.sum(signingInput, &room), appendDER(der[:0], sig))
	case ed25519.PublicKey:
		verified = len(sig) == ed25519.SignatureSize && ed25519.Verify(k, signingInput, sig)
	case *rsa.PublicKey:
		switch {
		case len(sig) != k.Size():
		case m.family == familyPSS:
			verified = rsa.VerifyPSS(k, m.hash, m.sum(signingInput, &room), sig, m.pss) == nil
		default:
			verified = rsa.VerifyPKCS1v15(k, m.hash, m.sum(signingInput, &room), sig) == nil
		}
	}
	if !verified {
		return fmt.Errorf("%w by %s", ErrSignature, alg)
	}
	return nil
}
