package credentials_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// Keys of the RFCs.
const (
	// RFC 7638 section 3.1, without alg and kid.
	rfcRSA = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}`
	// RFC 7515 appendix A.3.
	rfcP256        = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	rfcP256Private = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
	// RFC 8037 appendix A.1.
	rfcEd25519        = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	rfcEd25519Private = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
)

// Tokens of RFC 7515 appendices A.2 to A.5 and RFC 8037 appendix A.4.
const (
	rfcClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcES256  = "eyJhbGciOiJFUzI1NiJ9." + rfcClaims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	rfcHS256  = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcClaims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	rfcNone   = "eyJhbGciOiJub25lIn0." + rfcClaims + "."
	rfcEdDSA  = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	return b
}

func rfcKeys(t testing.TB) []credentials.Key {
	t.Helper()
	keys, warnings, err := credentials.ParseJWKSet([]byte(`{"keys":[` + rfcRSA + `,` + rfcP256 + `,` + rfcEd25519 + `]}`))
	require.NoError(t, err)
	require.Empty(t, warnings)
	return keys
}

func TestThumbprintsOfTheRFCs(t *testing.T) {
	keys := rfcKeys(t)
	require.Equal(t, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", keys[0].Thumbprint(), "RFC 7638 section 3.1")
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", keys[2].Thumbprint(), "RFC 8037 appendix A.3")
}

func TestTheTokensOfTheRFCsAreNoAssertions(t *testing.T) {
	for _, c := range []struct{ name, token, reason string }{
		{"RFC 7515 A.1, HS256", rfcHS256, credentials.ReasonAlgorithm},
		{"RFC 7515 A.3, ES256, whose issuer is nobody's subject", rfcES256, credentials.ReasonIssuer},
		{"RFC 7515 A.5, unsecured", rfcNone, credentials.ReasonMalformed},
		{"RFC 8037 A.4, EdDSA, which signs no JSON", rfcEdDSA, credentials.ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := credentials.ParseAssertion(c.token)
			requireReason(t, err, c.reason)
		})
	}
}

func TestAssertionsSignedWithTheKeysOfTheRFCs(t *testing.T) {
	d, seed := octets(t, rfcP256Private), ed25519.NewKeyFromSeed(octets(t, rfcEd25519Private))
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	require.NoError(t, err)
	for alg, signer := range map[string]crypto.Signer{"ES256": ec, "EdDSA": seed, "Ed25519": seed} {
		t.Run(alg, func(t *testing.T) {
			text := signed(t, alg, signer, `{"alg":"`+alg+`"}`, claims.String())
			v, err := parsed(t, text).Verify(rfcKeys(t), credentials.Strict(issuer), now)
			require.NoError(t, err)
			require.Equal(t, signer.Public(), v.Key.PublicKey())
		})
	}
}

// TestAssertionsThatOpenSSLSigned are the callers of WIRE: no kid, no jti, no
// iat, the audience of a resource server.
func TestAssertionsThatOpenSSLSigned(t *testing.T) {
	then := time.Date(2029, 12, 31, 23, 50, 0, 0, time.UTC)
	keys := []credentials.Key{
		keyFrom(t, "accepted/rsa-3072.pem"), keyFrom(t, "accepted/certificate-rsa.pem"), keyFrom(t, "accepted/ed25519.pem"),
	}
	for _, c := range []struct {
		alg string
		key int
	}{{"RS256", 1}, {"RS512", 1}, {"PS256", 1}, {"EdDSA", 2}} {
		t.Run(c.alg, func(t *testing.T) {
			a := parsed(t, strings.TrimSpace(string(fixture(t, "assertions/"+c.alg+".jwt"))))
			require.Equal(t, "c_openssl", a.ClientID())
			v, err := a.Verify(keys, credentials.Compatible(issuer, endpoint, api), then)
			require.NoError(t, err)
			require.Equal(t, credentials.Verified{
				ClientID: "c_openssl", Key: keys[c.key], Algorithm: c.alg, ExpiresAt: time.Unix(1893456000, 0),
			}, v)
			_, err = a.Verify(keys, credentials.Strict(issuer), then)
			requireReason(t, err, credentials.ReasonAudience)
		})
	}
}

// TestTheExampleOfRFC7523 has the header and the claims of section 3's example,
// whose signature the RFC leaves out.
func TestTheExampleOfRFC7523(t *testing.T) {
	header := `{"alg":"ES256","kid":"16"}`
	payload := `{"iss":"https://jwt-idp.example.com","sub":"mailto:mike@example.com","aud":"https://jwt-rp.example.net","nbf":1300815780,"exp":1300819380,"http://claims.example.com/member":true}`
	require.True(t, json.Valid([]byte(payload)))
	_, err := credentials.ParseAssertion(signed(t, "ES256", p256Key(), header, payload))
	requireReason(t, err, credentials.ReasonIssuer) // it is a grant, not a client's assertion
}
