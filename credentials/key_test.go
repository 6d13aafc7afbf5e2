package credentials_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

func TestKeysDescribeThemselves(t *testing.T) {
	for _, c := range []struct {
		signer     func() crypto.Signer
		typ        string
		algorithms []string
	}{
		{rsaKey, "RSA 2048", []string{"RS256", "PS256", "RS384", "PS384", "RS512", "PS512"}},
		{p256Key, "EC P-256", []string{"ES256"}},
		{p384Key, "EC P-384", []string{"ES384"}},
		{p521Key, "EC P-521", []string{"ES512"}},
		{edKey, "Ed25519", []string{"EdDSA", "Ed25519"}},
	} {
		t.Run(c.typ, func(t *testing.T) {
			key := keyOf(t, c.signer())
			require.Equal(t, c.typ, key.Type())
			require.Equal(t, c.algorithms, key.Algorithms())
			require.Equal(t, c.signer().Public(), key.PublicKey())
			require.Len(t, key.Thumbprint(), 43)
			require.False(t, key.IsCertificate())
			require.True(t, key.NotBefore().IsZero())
			require.True(t, key.NotAfter().IsZero())
			require.True(t, key.ValidAt(time.Time{}))
			require.Empty(t, key.X5T())
			require.Empty(t, key.X5TS256())
			require.Empty(t, key.KeyID())
			require.Equal(t, c.typ+" "+key.Thumbprint(), key.String())

			named, err := key.WithName("prod")
			require.NoError(t, err)
			require.Equal(t, c.typ+` "prod" `+key.Thumbprint(), fmt.Sprint(named))
			require.Empty(t, key.Name(), "WithName leaves it alone")

			again, warnings, err := credentials.ParsePEM(key.MarshalPEM(), now)
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.Equal(t, []credentials.Key{key}, again)
		})
	}
}

func TestTheZeroKeyIsNone(t *testing.T) {
	var key credentials.Key
	require.Equal(t, "no key", key.Type())
	require.Equal(t, "no key", key.String())
	require.Empty(t, key.Algorithms())
	require.Nil(t, key.MarshalPEM())
	require.Nil(t, key.PublicKey())
	_, err := parsed(t, es256(t, claims)).Verify([]credentials.Key{key}, credentials.Strict(issuer), now)
	requireReason(t, err, credentials.ReasonUnknownKey)
}

// TestNewKeyRefusesUnsoundKeys is SECURITY 45, and the RSA key of 29.
func TestNewKeyRefusesUnsoundKeys(t *testing.T) {
	n := rsaKey().Public().(*rsa.PublicKey).N
	modulus := func(bits int) *big.Int { return new(big.Int).SetBit(big.NewInt(1), bits-1, 1) }
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	off := *p256Key().Public().(*ecdsa.PublicKey)
	//lint:ignore SA1019 there is no other way to break one
	off.Y = new(big.Int).Add(off.Y, big.NewInt(1))
	for name, key := range map[string]crypto.PublicKey{
		"nothing":                       nil,
		"a secret":                      []byte("secret"),
		"a private key":                 p256Key(),
		"no RSA key":                    (*rsa.PublicKey)(nil),
		"RSA without a modulus":         &rsa.PublicKey{E: 65537},
		"RSA of 1024 bits":              &rsa.PublicKey{N: modulus(1024), E: 65537},
		"RSA of 2047 bits":              &rsa.PublicKey{N: modulus(2047), E: 65537},
		"RSA of 8193 bits":              &rsa.PublicKey{N: modulus(8193), E: 65537},
		"RSA with an even modulus":      &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), 2047, 1), E: 65537},
		"an RSA exponent of 0":          &rsa.PublicKey{N: n},
		"an RSA exponent of 1":          &rsa.PublicKey{N: n, E: 1},
		"an RSA exponent of 2":          &rsa.PublicKey{N: n, E: 2},
		"an RSA exponent of 3":          &rsa.PublicKey{N: n, E: 3},
		"an RSA exponent of 65535":      &rsa.PublicKey{N: n, E: 65535},
		"an even RSA exponent":          &rsa.PublicKey{N: n, E: 65538},
		"an RSA exponent above 2^31-1":  &rsa.PublicKey{N: n, E: 1<<31 + 1},
		"no EC key":                     (*ecdsa.PublicKey)(nil),
		"EC without a curve":            &ecdsa.PublicKey{},
		"EC on P-224":                   &p224.PublicKey,
		"EC with a point off its curve": &off,
		"Ed25519 that is too short":     ed25519.PublicKey(make([]byte, 31)),
		"Ed25519 of nothing":            ed25519.PublicKey(nil),
	} {
		t.Run(name, func(t *testing.T) {
			key, err := credentials.NewKey(key)
			require.Error(t, err)
			require.Zero(t, key)
		})
	}
	for name, key := range map[string]crypto.PublicKey{
		"RSA of 2048 bits":            &rsa.PublicKey{N: modulus(2048), E: 65537},
		"RSA of 8192 bits":            &rsa.PublicKey{N: modulus(8192), E: 65537},
		"an RSA exponent of 2^31 - 1": &rsa.PublicKey{N: n, E: 1<<31 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := credentials.NewKey(key)
			require.NoError(t, err)
		})
	}
}

func TestEd25519KeysForWhichAnybodyCanSignAreRefused(t *testing.T) {
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		point, err := hex.DecodeString(text)
		require.NoError(t, err)
		for _, sign := range []byte{0, 0x80} {
			key := ed25519.PublicKey(append([]byte(nil), point...))
			key[31] |= sign
			// R is the neutral point and S is 0: a signature that anybody can
			// write, and that holds for one message in eight at least.
			forged := make([]byte, ed25519.SignatureSize)
			forged[0] = 1
			holds := false
			for i := range 200 {
				holds = holds || ed25519.Verify(key, []byte{byte(i)}, forged)
			}
			if sign == 0 {
				require.True(t, holds, "%s is of small order", text)
			}
			_, err := credentials.NewKey(key)
			require.ErrorContains(t, err, "small order", "%x", key)
		}
	}
}

func TestAKeyDoesNotChangeWithWhatItWasMadeFrom(t *testing.T) {
	public := &rsa.PublicKey{N: new(big.Int).Set(rsaKey().Public().(*rsa.PublicKey).N), E: 65537}
	key, err := credentials.NewKey(public)
	require.NoError(t, err)
	public.N.SetInt64(15)
	require.Equal(t, rsaKey().Public(), key.PublicKey())

	octets := append(ed25519.PublicKey(nil), edKey().Public().(ed25519.PublicKey)...)
	key, err = credentials.NewKey(octets)
	require.NoError(t, err)
	octets[0]++
	require.Equal(t, edKey().Public(), key.PublicKey())

	point := *p256Key().Public().(*ecdsa.PublicKey)
	key, err = credentials.NewKey(&point)
	require.NoError(t, err)
	point.Curve = elliptic.P384()
	require.Equal(t, p256Key().Public(), key.PublicKey())
}

func TestWithName(t *testing.T) {
	key := keyOf(t, p256Key())
	for _, name := range []string{"", "prod", "Schlüssel 2 🔑", strings.Repeat("ü", credentials.MaxKeyName)} {
		named, err := key.WithName(name)
		require.NoError(t, err)
		require.Equal(t, name, named.Name())
	}
	for _, name := range []string{strings.Repeat("ü", credentials.MaxKeyName+1), "a\nb", "a\x00", "a\u0085", "\xff"} {
		_, err := key.WithName(name)
		require.Error(t, err, "%q", name)
		require.NotContains(t, err.Error(), "ü")
	}
}

func TestAlgorithmsOfAKeyThatIsForOne(t *testing.T) {
	keys, _, err := credentials.ParseJWKSet([]byte(`{"keys":[` + strings.Replace(rfcRSA, "{", `{"alg":"PS256",`, 1) + `,` +
		strings.Replace(rfcEd25519, "{", `{"alg":"Ed25519",`, 1) + `]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"PS256"}, keys[0].Algorithms())
	require.Equal(t, []string{"EdDSA", "Ed25519"}, keys[1].Algorithms(), "both names of one")
}

func TestACertificateGivesItsValidity(t *testing.T) {
	from, to := now, now.Add(time.Hour)
	key := certificateOf(t, p256Key(), from, to)
	require.True(t, key.IsCertificate())
	require.Equal(t, from, key.NotBefore())
	require.Equal(t, to, key.NotAfter())
	require.Equal(t, keyOf(t, p256Key()).Thumbprint(), key.Thumbprint())
	require.Equal(t, "EC P-256 certificate "+key.Thumbprint(), key.String())
	require.False(t, key.ValidAt(from.Add(-1)))
	require.True(t, key.ValidAt(from))
	require.True(t, key.ValidAt(to))
	require.False(t, key.ValidAt(to.Add(1)))

	block, rest := pem.Decode(key.MarshalPEM())
	require.Empty(t, rest)
	require.Equal(t, "CERTIFICATE", block.Type)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, p256Key().Public(), cert.PublicKey)
	again, _, err := credentials.ParsePEM(key.MarshalPEM(), now)
	require.NoError(t, err)
	require.Equal(t, []credentials.Key{key}, again)
}

func TestThumbprintsOfCertificatesAreThoseOfOpenSSL(t *testing.T) {
	compared := 0
	for _, line := range lines(fixture(t, "fingerprints.txt")) {
		var file, hash, want string
		_, err := fmt.Sscan(line, &file, &hash, &want)
		require.NoError(t, err)
		sum, err := hex.DecodeString(want)
		require.NoError(t, err)
		key := keyFrom(t, "accepted/"+file)
		got := key.X5T()
		if hash == "sha256" {
			got = key.X5TS256()
		}
		require.Equal(t, b64(sum), got, line)
		compared++
	}
	require.Greater(t, compared, 10)
}

func TestWarningsAreSentences(t *testing.T) {
	for want, w := range map[string]credentials.Warning{
		"many keys":          {Text: "many keys"},
		"key 2: old":         {Item: 2, Text: "old"},
		`key 2 ("\n1"): old`: {Item: 2, KeyID: "\n1", Text: "old"},
	} {
		require.Equal(t, want, w.String())
	}
}
