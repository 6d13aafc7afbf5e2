package verifier_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// fuzzKey is always the same, so that a token that was found stays one.
func fuzzKey() key {
	return key{"1", jws.EdDSA, ed25519.NewKeyFromSeed([]byte("a seed of 32 bytes for fuzzing.."))}
}

// agree checks what we say of a token against golang-jwt: whatever we accept, it
// accepts too, with the same claims.
func agree(t *testing.T, v *verifier.Verifier, c *clock, token string) {
	claims, err := v.Verify(t.Context(), token)
	again, errAgain := v.Verify(t.Context(), token)
	require.Equal(t, err, errAgain, "the second time is like the first")
	require.Equal(t, claims, again)
	if err != nil {
		require.Nil(t, claims)
		require.True(t, token == "" || len(err.Error()) < 500)
		return
	}
	require.Equal(t, issuerID, claims.Issuer)
	require.Contains(t, claims.Audience, audience)

	options := []jwt.ParserOption{
		jwt.WithIssuer(issuerID), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithLeeway(time.Minute),
		jwt.WithTimeFunc(c.Now), jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{"EdDSA"}),
	}
	keys := func(*jwt.Token) (any, error) { return fuzzKey().signer.Public(), nil }
	theirs := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(token, theirs, keys, options...)
	if newerName(t, token) {
		require.ErrorIs(t, err, jwt.ErrTokenUnverifiable) // golang-jwt does not know it
		return
	}
	require.NoError(t, err)
	require.Equal(t, claims.Subject, theirs["sub"])
	require.Equal(t, claims.ClientID, theirs["client_id"])
	require.Equal(t, claims.ID, theirs["jti"])
	require.Equal(t, float64(claims.Expires.Unix()), math.Floor(theirs["exp"].(float64)))
	if list, ok := theirs["aud"].([]any); ok {
		require.Len(t, claims.Audience, len(list))
		for i := range list {
			require.Equal(t, claims.Audience[i], list[i])
		}
	} else {
		require.Equal(t, claims.Audience, []string{theirs["aud"].(string)})
	}
	scope, _ := theirs["scope"].(string)
	require.Equal(t, strings.Join(strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' }), " "), strings.Join(claims.Scopes, " "))
	var decoded map[string]any
	require.NoError(t, claims.Decode(&decoded))
	require.Equal(t, map[string]any(theirs), decoded)

	// A struct is filled whatever the case of the names: nothing may slip in.
	var registered jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(token, &registered, keys, options...)
	if err == nil { // its dates end in 2262
		require.Equal(t, claims.Subject, registered.Subject)
		require.Equal(t, claims.ID, registered.ID)
		require.Equal(t, claims.Issuer, registered.Issuer)
		require.Equal(t, claims.Audience, []string(registered.Audience))
	}
}

// newerName reports whether the alg of token is Ed25519.
func newerName(t *testing.T, token string) bool {
	data, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	require.NoError(t, err)
	header, err := jws.ParseHeader(data)
	require.NoError(t, err)
	return header.Algorithm == jws.Ed25519
}

const fuzzPayload = `{"iss":"https://auth.example.com","sub":"client-1","client_id":"client-1","aud":"https://api.example.com",` +
	`"jti":"jti-1","iat":1764000000,"exp":1764003600,"scope":"orders.read orders.write"}`

// FuzzVerify changes header and payload of tokens that are well signed.
func FuzzVerify(f *testing.F) {
	k, c := fuzzKey(), newClock()
	header := k.header()
	for _, payload := range []string{
		fuzzPayload,
		strings.Replace(fuzzPayload, `"https://api.example.com"`, `["a","https://api.example.com"]`, 1),
		strings.Replace(fuzzPayload, `1764003600`, `1764003600.5`, 1),
		strings.Replace(fuzzPayload, `1764003600`, `1.8e9`, 1),
		strings.Replace(fuzzPayload, `"sub"`, `"s\u0075b"`, 1),
		strings.Replace(fuzzPayload, `{`, `{"Sub":"root",`, 1),
		strings.Replace(fuzzPayload, `{`, `{"nbf":1764000059,"x":{"y":[1,null,"z"]},`, 1),
	} {
		f.Add([]byte(header), []byte(payload))
	}
	for _, header := range []string{
		`{"alg":"EdDSA","typ":"at+jwt"}`, `{"alg":"Ed25519","typ":"application/AT+JWT","kid":"1"}`,
		`{"alg":"EdDSA","typ":"at+jwt","kid":"1","crit":["exp"]}`, `{"alg":"EdDSA","typ":"JWT","kid":"1"}`,
	} {
		f.Add([]byte(header), []byte(fuzzPayload))
	}
	v := newVerifier(f, verifier.Config{Keys: &source{set: jwkSet(f, k), maxAge: time.Hour}, Now: c.Now})
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		agree(t, v, c, k.sign(t, string(header), string(payload)))
	})
}

// FuzzToken changes whole tokens.
func FuzzToken(f *testing.F) {
	k, c := fuzzKey(), newClock()
	token := k.sign(f, k.header(), fuzzPayload)
	for _, token := range []string{token, token + "=", token + "\n", "." + token, token + ".", "", "..", "a.b.c", strings.Replace(token, ".", "\n.", 1)} {
		f.Add(token)
	}
	v := newVerifier(f, verifier.Config{Keys: &source{set: jwkSet(f, k), maxAge: time.Hour}, Now: c.Now})
	f.Fuzz(func(t *testing.T, token string) { agree(t, v, c, token) })
}
