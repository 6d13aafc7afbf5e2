package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"math/big"
	"sync"
	"testing"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/stretchr/testify/require"
)

// algorithms are all of them, each with a signer whose key fits.
var algorithms = []struct {
	alg    jws.Algorithm
	signer func() crypto.Signer
}{
	{jws.RS256, rsaKey}, {jws.RS384, rsaKey}, {jws.RS512, rsaKey},
	{jws.PS256, rsaKey}, {jws.PS384, rsaKey}, {jws.PS512, rsaKey},
	{jws.ES256, p256Key}, {jws.ES384, p384Key}, {jws.ES512, p521Key},
	{jws.EdDSA, edKey}, {jws.Ed25519, edKey},
}

var (
	rsaKey  = generated(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	p256Key = generated(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	p384Key = generated(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) })
	p521Key = generated(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) })
	edKey   = generated(func() (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	})
)

func generated(generate func() (crypto.Signer, error)) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer {
		key, err := generate()
		if err != nil {
			panic(err)
		}
		return key
	})
}

// A kms is a signer that is none of the types of the standard library.
type kms struct{ crypto.Signer }

// A broken one returns what it holds.
type broken struct {
	crypto.Signer
	sig []byte
	err error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.sig, b.err }

// An opaque signer gives its public key as it was told to.
type opaque struct {
	crypto.Signer
	public crypto.PublicKey
}

func (o opaque) Public() crypto.PublicKey { return o.public }

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	return b
}

func TestCheckKeyRefusesUnsoundKeys(t *testing.T) {
	modulus := rsaKey().Public().(*rsa.PublicKey).N
	point := p256Key().Public()
	secp224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	//lint:ignore SA1019 there is no other way to make an unsound key
	offCurve := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	large := new(big.Int).SetBit(big.NewInt(1), 8191, 1)
	for name, key := range map[string]crypto.PublicKey{
		"nil":                                nil,
		"a secret":                           []byte("secret"),
		"a private key":                      p256Key(),
		"an RSA key by value":                *rsaKey().Public().(*rsa.PublicKey),
		"no RSA key":                         (*rsa.PublicKey)(nil),
		"no modulus":                         &rsa.PublicKey{E: 65537},
		"RSA of 2047 bits":                   &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2046, 1), E: 65537},
		"RSA of 8193 bits":                   &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 65537},
		"an even modulus":                    &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), 2047, 1), E: 65537},
		"an exponent of 1":                   &rsa.PublicKey{N: modulus, E: 1},
		"an even exponent":                   &rsa.PublicKey{N: modulus, E: 65536},
		"an exponent above 2^31-1":           &rsa.PublicKey{N: modulus, E: 1<<31 + 1},
		"a negative exponent":                &rsa.PublicKey{N: modulus, E: -3},
		"no point":                           (*ecdsa.PublicKey)(nil),
		"a point without a curve":            &ecdsa.PublicKey{},
		"a point on P-224":                   &secp224.PublicKey,
		"a point off its curve":              offCurve,
		"an Ed25519 key that is too short":   ed25519.PublicKey(make([]byte, 31)),
		"an Ed25519 key that is too long":    ed25519.PublicKey(make([]byte, 33)),
		"an Ed25519 key that is not there":   ed25519.PublicKey(nil),
		"an Ed25519 key that is only octets": make([]byte, 32),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, jws.CheckKey(key), jws.ErrKey)
			_, err := jws.Thumbprint(key)
			require.ErrorIs(t, err, jws.ErrKey)
		})
	}
	for name, key := range map[string]crypto.PublicKey{
		"RSA of 2048 bits":       rsaKey().Public(),
		"RSA of 8192 bits":       &rsa.PublicKey{N: large, E: 65537},
		"an exponent of 3":       &rsa.PublicKey{N: modulus, E: 3},
		"an exponent of 2^31-1":  &rsa.PublicKey{N: modulus, E: 1<<31 - 1},
		"a point on P-256":       point,
		"a point on P-384":       p384Key().Public(),
		"a point on P-521":       p521Key().Public(),
		"an Ed25519 key of 32 B": edKey().Public(),
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, jws.CheckKey(key)) })
	}
}

func TestAlgorithmsFitTheirKeysAlone(t *testing.T) {
	for _, a := range algorithms {
		t.Run(string(a.alg), func(t *testing.T) {
			require.True(t, a.alg.Known())
			require.Contains(t, jws.Algorithms(a.signer().Public()), a.alg)
			for _, b := range algorithms {
				key := b.signer().Public()
				fits := a.alg.Check(key) == nil
				require.Equal(t, fits, contains(jws.Algorithms(key), a.alg), "%s", b.alg)
				if !fits {
					require.ErrorIs(t, a.alg.Check(key), jws.ErrKey)
				}
			}
		})
	}
	require.Equal(t, []jws.Algorithm{jws.ES256}, jws.Algorithms(p256Key().Public()))
	require.Equal(t, []jws.Algorithm{jws.ES384}, jws.Algorithms(p384Key().Public()))
	require.Equal(t, []jws.Algorithm{jws.ES512}, jws.Algorithms(p521Key().Public()))
	require.Equal(t, []jws.Algorithm{jws.EdDSA, jws.Ed25519}, jws.Algorithms(edKey().Public()))
	require.Len(t, jws.Algorithms(rsaKey().Public()), 6)
	require.Empty(t, jws.Algorithms([]byte("secret")))
	require.Empty(t, jws.Algorithms(ed25519.PublicKey("short")))
	require.Empty(t, jws.Algorithms(&rsa.PublicKey{N: big.NewInt(3233), E: 17}))
}

func contains(list []jws.Algorithm, alg jws.Algorithm) bool {
	for _, a := range list {
		if a == alg {
			return true
		}
	}
	return false
}

func TestOtherAlgorithmsAreUnknown(t *testing.T) {
	for _, alg := range []jws.Algorithm{
		"", "none", "None", "nOnE", "HS256", "HS512", "RS1", "RS128", "ES256K", "ES512 ", "rs256", "es256", "Eddsa", "ed25519",
		"Ed448", "ES224", "RSA-OAEP", "dir", "ML-DSA-44",
	} {
		require.False(t, alg.Known(), alg)
		require.ErrorIs(t, alg.Check(rsaKey().Public()), jws.ErrAlgorithm)
		require.ErrorIs(t, jws.Verify(alg, rsaKey().Public(), []byte("input"), []byte("sig")), jws.ErrAlgorithm)
		dst, err := jws.Sign(alg, rsaKey(), []byte("input"), []byte("before"))
		require.ErrorIs(t, err, jws.ErrAlgorithm)
		require.Equal(t, "before", string(dst))
	}
	require.Equal(t, jws.EdDSA, jws.Ed25519.Canonical())
	require.Equal(t, jws.EdDSA, jws.EdDSA.Canonical())
	require.Equal(t, jws.ES256, jws.ES256.Canonical())
}
