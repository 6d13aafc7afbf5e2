package interop_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
)

// Where the vectors are made whole tokens: an assertion, and an access token.
const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// assertionInput is the signing input of an assertion that is good at now.
func assertionInput(header string) string {
	return segments(header, fmt.Sprintf(`{"iss":"c_vector","sub":"c_vector","aud":%q,"exp":%d,"jti":"1"}`, issuer, now.Add(time.Minute).Unix()))
}

// accessInput is the signing input of an access token that is good at now.
func accessInput(header string) string {
	return segments(header, fmt.Sprintf(`{"iss":%q,"sub":"c_vector","client_id":"c_vector","aud":%q,"exp":%d,"jti":"1","scope":"read"}`, issuer, audience, now.Add(time.Minute).Unix()))
}

func segments(header, payload string) string {
	return base64url([]byte(header)) + "." + base64url([]byte(payload))
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// verifyAssertion says what is wrong with an assertion of the client with keys.
func verifyAssertion(text string, keys ...credentials.Key) error {
	a, err := credentials.ParseAssertion(text)
	if err != nil {
		return err
	}
	_, err = a.Verify(keys, credentials.Strict(issuer), now)
	return err
}

// newVerifier returns the verifier of access tokens of an issuer with that JWK
// Set.
func newVerifier(t *testing.T, set []byte) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(verifier.Config{
		Issuer: issuer, Audience: audience, Keys: published(set), CacheSize: -1,
		Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return v
}

// published is a JWK Set that never changes.
type published []byte

func (p published) JWKSet(context.Context) ([]byte, time.Duration, error) { return p, 0, nil }

// setOf returns the JWK Set of one key.
func setOf(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	jwk, err := jws.PublicJWK(key, "", "", "sig")
	require.NoError(t, err)
	return fmt.Appendf(nil, `{"keys":[%s]}`, jwk)
}

// requireReason requires that err is the refusal of an assertion for that reason.
func requireReason(t *testing.T, err error, reason string) {
	t.Helper()
	var refused *credentials.AssertionError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, reason, refused.Reason, refused)
}
