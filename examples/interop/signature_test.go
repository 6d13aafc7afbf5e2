package interop_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/jws"
)

// A signatureVector is a message and what may be its signature.
type signatureVector struct {
	verdict
	Message   octets `json:"msg"`
	Signature octets `json:"sig"`
}

// signatureFiles are those with signatures by the algorithms of JOSE.
var signatureFiles = []struct {
	alg  jws.Algorithm
	name string
}{
	{jws.ES256, "ecdsa_secp256r1_sha256_p1363_test.json"},
	{jws.ES384, "ecdsa_secp384r1_sha384_p1363_test.json"},
	{jws.ES512, "ecdsa_secp521r1_sha512_p1363_test.json"},
	{jws.EdDSA, "ed25519_test.json"},
	{jws.Ed25519, "ed25519_test.json"},
	{jws.RS256, "rsa_signature_2048_sha256_test.json"},
	{jws.RS256, "rsa_signature_3072_sha256_test.json"},
	{jws.RS256, "rsa_signature_4096_sha256_test.json"},
	{jws.RS256, "rsa_signature_8192_sha256_test.json"},
	{jws.RS384, "rsa_signature_2048_sha384_test.json"},
	{jws.RS384, "rsa_signature_3072_sha384_test.json"},
	{jws.RS384, "rsa_signature_4096_sha384_test.json"},
	{jws.RS384, "rsa_signature_8192_sha384_test.json"},
	{jws.RS512, "rsa_signature_2048_sha512_test.json"},
	{jws.RS512, "rsa_signature_3072_sha512_test.json"},
	{jws.RS512, "rsa_signature_4096_sha512_test.json"},
	{jws.RS512, "rsa_signature_8192_sha512_test.json"},
	{jws.PS256, "rsa_pss_2048_sha256_mgf1_32_test.json"},
	{jws.PS256, "rsa_pss_3072_sha256_mgf1_32_test.json"},
	{jws.PS256, "rsa_pss_4096_sha256_mgf1_32_test.json"},
	{jws.PS384, "rsa_pss_2048_sha384_mgf1_48_test.json"},
	{jws.PS384, "rsa_pss_4096_sha384_mgf1_48_test.json"},
	{jws.PS512, "rsa_pss_4096_sha512_mgf1_64_test.json"},
}

// TestSignaturesOfWycheproof verifies the signatures as they are. It then puts
// each on an assertion and on an access token: whoever could forge one without
// the key has found a value that goes with everything.
func TestSignaturesOfWycheproof(t *testing.T) {
	for _, file := range signatureFiles {
		t.Run(string(file.alg)+" "+file.name, func(t *testing.T) {
			for i, g := range vectors[signatureVector](t, file.name) {
				key, err := fromPEM(g.PEM)
				if err != nil {
					requireRefusedKey(t, err, g)
					continue
				}
				if g.JWK != nil {
					keys, why := fromJWK(t, g.JWK)
					require.Empty(t, why)
					require.Equal(t, key.Thumbprint(), keys[0].Thumbprint(), "group %d as a JWK", i)
				}
				header := fmt.Sprintf(`{"alg":%q,"typ":"at+jwt"}`, file.alg)
				assertion, access := assertionInput(fmt.Sprintf(`{"alg":%q}`, file.alg)), accessInput(header)
				issued := newVerifier(t, setOf(t, key.PublicKey()))
				for _, v := range g.Tests {
					err := jws.Verify(file.alg, key.PublicKey(), v.Message, v.Signature)
					// Acceptable is what PKCS #1 v2.2 says to accept as
					// well, an identifier without its NULL: nobody signs so.
					require.Equal(t, v.Result == "valid", err == nil, "%d %s %v: %v", v.ID, v.Comment, v.Flags, err)
					if len(v.Signature) == 0 {
						continue // no third part
					}
					signature := "." + base64url(v.Signature)
					requireReason(t, verifyAssertion(assertion+signature, key), credentials.ReasonSignature)
					_, err = issued.Verify(t.Context(), access+signature)
					require.ErrorIs(t, err, jws.ErrSignature)
				}
			}
		})
	}
}

// requireRefusedKey requires that a key is refused for what we ask of keys and
// the suite does not.
func requireRefusedKey(t *testing.T, err error, g group[signatureVector]) {
	t.Helper()
	require.ErrorContains(t, err, "exponent 3, want 65537") // FIPS 186-5
	for _, v := range g.Tests {
		require.Contains(t, v.Flags, "SmallPublicKey")
	}
}

// TestPSSTakesTheSaltOfRFC7518Alone is about signatures that are good, but whose
// salt is not as long as the hash, or whose hashes are not those of the JOSE
// algorithm.
func TestPSSTakesTheSaltOfRFC7518Alone(t *testing.T) {
	for _, file := range []struct {
		alg  jws.Algorithm
		name string
	}{
		{jws.PS256, "rsa_pss_2048_sha256_mgf1_0_test.json"},
		{jws.PS256, "rsa_pss_2048_sha256_mgf1sha1_20_test.json"},
		{jws.PS512, "rsa_pss_4096_sha512_mgf1_32_test.json"},
	} {
		t.Run(file.name, func(t *testing.T) {
			for _, g := range vectors[signatureVector](t, file.name) {
				key, err := fromPEM(g.PEM)
				require.NoError(t, err)
				for _, v := range g.Tests {
					if v.Result == "valid" { // else it may well have the salt that RFC 7518 wants
						require.ErrorIs(t, jws.Verify(file.alg, key.PublicKey(), v.Message, v.Signature), jws.ErrSignature, "%d %s", v.ID, v.Comment)
					}
				}
			}
		})
	}
}

// TestSignaturesInDERAreNone is about ECDSA signatures in the form of X.509 and
// TLS, of which RFC 7518 section 3.4 takes none.
func TestSignaturesInDERAreNone(t *testing.T) {
	for _, file := range []struct {
		alg  jws.Algorithm
		name string
	}{
		{jws.ES256, "ecdsa_secp256r1_sha256_test.json"},
		{jws.ES384, "ecdsa_secp384r1_sha384_test.json"},
		{jws.ES512, "ecdsa_secp521r1_sha512_test.json"},
	} {
		t.Run(file.name, func(t *testing.T) {
			for _, g := range vectors[signatureVector](t, file.name) {
				key, err := fromPEM(g.PEM)
				require.NoError(t, err)
				for _, v := range g.Tests {
					require.ErrorIs(t, jws.Verify(file.alg, key.PublicKey(), v.Message, v.Signature), jws.ErrSignature, "%d %s", v.ID, v.Comment)
				}
			}
		})
	}
}

// TestKeysOfOtherCurvesAreRefused is about keys that are sound, of a kind that no
// algorithm of ours is for.
func TestKeysOfOtherCurvesAreRefused(t *testing.T) {
	for _, name := range []string{
		"ecdsa_secp224r1_sha256_p1363_test.json", "ecdsa_secp256k1_sha256_p1363_test.json",
		"ecdsa_brainpoolP256r1_sha256_p1363_test.json", "ecdsa_brainpoolP384r1_sha384_p1363_test.json",
		"ed448_test.json",
	} {
		t.Run(name, func(t *testing.T) {
			for i, g := range vectors[signatureVector](t, name) {
				_, err := fromPEM(g.PEM)
				require.Error(t, err, "group %d", i)
				if g.JWK != nil {
					keys, why := fromJWK(t, g.JWK)
					require.Empty(t, keys)
					require.Contains(t, why, "ignored: ", "group %d", i)
				}
			}
		})
	}
}
