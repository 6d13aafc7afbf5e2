package credentials_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// FuzzParseAssertion tests that what is read is read as golang-jwt reads it.
func FuzzParseAssertion(f *testing.F) {
	f.Add(es256(f, claims))
	f.Add(signed(f, "RS256", rsaKey(), `{"alg":"RS256","typ":"JWT","kid":"1"}`, claims.with(raw{"aud": `["a","b"]`}).String()))
	for _, token := range []string{rfcES256, rfcHS256, rfcNone, rfcEdDSA, "..", "a.b.c", strings.TrimSpace(string(fixture(f, "assertions/EdDSA.jwt")))} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := credentials.ParseAssertion(text)
		if err != nil {
			var refusal *credentials.AssertionError
			require.True(t, errors.As(err, &refusal))
			require.Nil(t, a)
			return
		}
		token, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(text, jwt.MapClaims{})
		if err != nil && strings.Contains(err.Error(), "signing method (alg) is unavailable") {
			return // Ed25519, which it does not know
		}
		require.NoError(t, err)
		requireSameClaims(t, a, token)
		_, err = a.Verify(nil, compatible, now)
		require.Error(t, err, "nothing counts without a key")
	})
}

func requireSameClaims(t *testing.T, a *credentials.Assertion, token *jwt.Token) {
	t.Helper()
	for _, get := range []func() (string, error){token.Claims.GetIssuer, token.Claims.GetSubject} {
		client, err := get()
		require.NoError(t, err)
		require.Equal(t, a.ClientID(), client)
	}
	audiences, err := token.Claims.GetAudience()
	require.NoError(t, err)
	require.Equal(t, slices.Collect(slices.Values(a.Audiences())), slices.Collect(slices.Values([]string(audiences))))
	kid, _ := token.Header["kid"].(string)
	require.Equal(t, a.KeyID(), kid)
}

// FuzzVerify tests that golang-jwt accepts, with the same key and the same
// demands, whatever is accepted here. What it signs is made of header and payload
// as they are.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(6), `{"alg":"ES256"}`, claims.String(), int64(0))
	f.Add(uint8(0), `{"alg":"RS256","typ":"JWT","kid":"x"}`, claims.without("jti").with(raw{"aud": `["` + api + `"]`}).String(), int64(60))
	f.Add(uint8(9), `{"alg":"EdDSA","typ":"client-authentication+jwt"}`, claims.with(raw{"nbf": "1.98819366e9"}).String(), int64(-30))
	f.Add(uint8(6), `{"alg":"ES256","crit":["x"]}`, claims.with(raw{"exp": "1e9"}).String(), int64(0))
	f.Add(uint8(6), `{"alg":"none"}`, claims.with(raw{"aud": `["` + issuer + `","https://evil.example"]`}).String(), int64(0))
	for _, a := range algorithms {
		a.signer() // made now: an input that takes seconds is taken for hung
	}
	f.Fuzz(func(t *testing.T, which uint8, header, payload string, seconds int64) {
		signer := algorithms[int(which)%len(algorithms)]
		now := now.Add(time.Duration(seconds%(2*3600)) * time.Second)
		text := signed(t, signer.alg, signer.signer(), header, payload)
		a, err := credentials.ParseAssertion(text)
		if err != nil {
			return
		}
		key := keyOf(t, signer.signer())
		for _, profile := range []credentials.Profile{strict, compatible} {
			v, err := a.Verify([]credentials.Key{key}, profile, now)
			if err != nil {
				continue
			}
			require.Equal(t, key, v.Key)
			require.Contains(t, key.Algorithms(), v.Algorithm)
			if v.Algorithm == "Ed25519" {
				continue // which golang-jwt does not know
			}
			options := []jwt.ParserOption{
				jwt.WithValidMethods(key.Algorithms()), jwt.WithLeeway(credentials.Leeway), jwt.WithStrictDecoding(),
				jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithIssuedAt(), jwt.WithExpirationRequired(),
				jwt.WithIssuer(v.ClientID), jwt.WithSubject(v.ClientID), jwt.WithAudience(profile.Audiences...),
			}
			token, err := jwt.NewParser(options...).Parse(text, func(*jwt.Token) (any, error) { return key.PublicKey(), nil })
			require.NoError(t, err)
			requireSameClaims(t, a, token)
			expires, err := token.Claims.GetExpirationTime()
			require.NoError(t, err)
			require.Equal(t, v.ExpiresAt.Unix(), expires.Unix())
			jti, _ := token.Claims.(jwt.MapClaims)["jti"].(string)
			require.Equal(t, v.JTI, jti)
			require.False(t, expires.After(now.Add(profile.MaxLifetime+credentials.Leeway)))
			require.Equal(t, profile.RequireID, profile.RequireID && jti != "")
		}
	})
}
