package credentials_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// BenchmarkAssertion is what an assertion costs until it is believed, beside the
// bare verification of its signature.
func BenchmarkAssertion(b *testing.B) {
	for _, c := range []struct {
		alg    string
		signer func() crypto.Signer
		bare   func(input string, sig []byte) func() bool
	}{
		{"ES256", p256Key, func(input string, sig []byte) func() bool {
			der, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
			require.NoError(b, err)
			return func() bool {
				sum := sha256.Sum256([]byte(input))
				return ecdsa.VerifyASN1(p256Key().Public().(*ecdsa.PublicKey), sum[:], der)
			}
		}},
		{"RS256", rsaKey, func(input string, sig []byte) func() bool {
			return func() bool {
				sum := sha256.Sum256([]byte(input))
				return rsa.VerifyPKCS1v15(rsaKey().Public().(*rsa.PublicKey), crypto.SHA256, sum[:], sig) == nil
			}
		}},
		{"EdDSA", edKey, func(input string, sig []byte) func() bool {
			return func() bool { return ed25519.Verify(edKey().Public().(ed25519.PublicKey), []byte(input), sig) }
		}},
	} {
		text := signed(b, c.alg, c.signer(), `{"alg":"`+c.alg+`","typ":"JWT"}`, claims.String())
		keys := []credentials.Key{keyOf(b, c.signer())}
		b.Run(c.alg+"/parse and verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := credentials.ParseAssertion(text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := a.Verify(keys, strict, now); err != nil {
					b.Fatal(err)
				}
			}
		})
		cut := strings.LastIndexByte(text, '.')
		sig, err := base64.RawURLEncoding.DecodeString(text[cut+1:])
		require.NoError(b, err)
		verify := c.bare(text[:cut], sig)
		b.Run(c.alg+"/bare verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !verify() {
					b.Fatal("bad signature")
				}
			}
		})
	}
}

// BenchmarkParseAssertion is what anybody can have for the price of a request.
func BenchmarkParseAssertion(b *testing.B) {
	for name, text := range map[string]string{
		"sound":            es256(b, claims),
		"16 KiB of claims": es256(b, claims.with(raw{"x": `"` + strings.Repeat("x", 11_000) + `"`})),
		"16 KiB of dots":   strings.Repeat(".", credentials.MaxAssertionSize),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = credentials.ParseAssertion(text)
			}
		})
	}
}

// BenchmarkParsePEM is what reading a stored client costs for each key.
func BenchmarkParsePEM(b *testing.B) {
	for _, file := range []string{"rsa-2048", "ec-p256", "ed25519", "certificate-ec-signing"} {
		text := fixture(b, "accepted/"+file+".pem")
		b.Run(file, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := credentials.ParsePEM(text, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
