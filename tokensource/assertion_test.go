package tokensource_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/tokensource"
)

// headerOf returns the header of the assertion in a request.
func headerOf(t testing.TB, c call) map[string]any { return part(t, c, 0) }

// claimsOf returns its claims.
func claimsOf(t testing.TB, c call) map[string]any { return part(t, c, 1) }

func part(t testing.TB, c call, i int) (members map[string]any) {
	t.Helper()
	parts := bytes.Split([]byte(c.form.Get("client_assertion")), []byte("."))
	require.Len(t, parts, 3)
	data, err := base64.RawURLEncoding.DecodeString(string(parts[i]))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &members))
	return members
}

// onlySigner hides all but what crypto.Signer promises.
type onlySigner struct{ crypto.Signer }

func TestAssertionsOfEachKeyVerify(t *testing.T) {
	for _, c := range []struct {
		name string
		key  crypto.Signer
		alg  string // given
		want string
	}{
		{"RSA", rsaKey(), "", "RS256"},
		{"RSA by RS384", rsaKey(), "RS384", "RS384"},
		{"RSA by RS512", rsaKey(), "RS512", "RS512"},
		{"RSA by PS256", rsaKey(), "PS256", "PS256"},
		{"RSA by PS384", rsaKey(), "PS384", "PS384"},
		{"RSA by PS512", rsaKey(), "PS512", "PS512"},
		{"P-256", p256Key(), "", "ES256"},
		{"P-384", p384Key(), "", "ES384"},
		{"P-521", p521Key(), "", "ES512"},
		{"Ed25519", ed25519Key(), "", "EdDSA"},
		{"Ed25519 by its newer name", ed25519Key(), "Ed25519", "Ed25519"},
		{"a signer of a key service", onlySigner{p256Key()}, "", "ES256"},
		{"an RSA signer of a key service", onlySigner{rsaKey()}, "PS256", "PS256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{answer: granting(time.Hour)}
			access(t, newSource(t, s, func(cfg *tokensource.Config) {
				cfg.Issuer = issuer
				cfg.Credential = tokensource.PrivateKey{Key: tokensource.Key{Signer: c.key, ID: "2030-01", Algorithm: c.alg}}
			}))
			require.Equal(t, map[string]any{"alg": c.want, "kid": "2030-01", "typ": "client-authentication+jwt"}, headerOf(t, s.call(1)))
			require.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", s.call(1).form.Get("client_assertion_type"))
			require.Equal(t, clientID, s.call(1).form.Get("client_id"))
			require.Empty(t, s.call(1).Header.Get("Authorization"))

			// golang-jwt does not know the newer name.
			method := jwt.GetSigningMethod(map[bool]string{true: "EdDSA", false: c.want}[c.want == "Ed25519"])
			assertion := s.call(1).form.Get("client_assertion")
			dot := bytes.LastIndexByte([]byte(assertion), '.')
			signature, err := base64.RawURLEncoding.DecodeString(assertion[dot+1:])
			require.NoError(t, err)
			require.NoError(t, method.Verify(assertion[:dot], signature, c.key.Public()))
		})
	}
}

func TestTheProfilesOfAssertions(t *testing.T) {
	for _, c := range []struct {
		name     string
		audience string
		aud, typ string
	}{
		{"strict: the issuer alone", "", issuer, "client-authentication+jwt"},
		{"older: the token endpoint", tokenURL, tokenURL, "JWT"},
		{"older: the audience of a resource server", "https://api.zscaler.com", "https://api.zscaler.com", "JWT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: granting(time.Hour)}
				access(t, newSource(t, s, func(cfg *tokensource.Config) {
					cfg.Issuer = issuer
					cfg.Credential = tokensource.PrivateKey{Key: tokensource.Key{Signer: p256Key()}, Audience: c.audience}
				}))
				require.Equal(t, map[string]any{"alg": "ES256", "typ": c.typ}, headerOf(t, s.call(1)), "no kid if none is known")
				claims := claimsOf(t, s.call(1))
				require.Equal(t, []string{"aud", "exp", "iat", "iss", "jti", "sub"}, slices.Sorted(maps.Keys(claims)))
				require.Equal(t, c.aud, claims["aud"])
				require.Equal(t, clientID, claims["iss"])
				require.Equal(t, clientID, claims["sub"])
				require.Equal(t, float64(time.Now().Unix()), claims["iat"])
				require.LessOrEqual(t, claims["exp"].(float64)-claims["iat"].(float64), 300.0)
				require.Greater(t, claims["exp"].(float64)-claims["iat"].(float64), 60.0)
				require.Len(t, claims["jti"], 26)
			})
		})
	}
}

func TestTheProgramMayNameKeyAndAlgorithm(t *testing.T) {
	name := write(t, "key.pem", pkcs8(rsaKey()))
	s := &server{answer: granting(time.Hour)}
	access(t, newSource(t, s, credential(tokensource.PrivateKey{File: name, Audience: issuer, KeyID: `a"b`, Algorithm: "PS256"})))
	require.Equal(t, map[string]any{"alg": "PS256", "kid": `a"b`, "typ": "JWT"}, headerOf(t, s.call(1)))
}

func TestEachAttemptSignsANewAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(n int, _ call) *http.Response {
			if n%3 == 0 {
				return grant("token", time.Hour)
			}
			return respond(503, "")
		}}
		source := newSource(t, s, credential(tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}, Audience: issuer}))
		for range 5 {
			access(t, source)
			time.Sleep(time.Hour)
		}
		seen := make(map[any]bool)
		for n := 1; n <= s.count(); n++ {
			seen[claimsOf(t, s.call(n))["jti"]] = true
		}
		require.Len(t, seen, 15)
	})
}

func TestARotatedKeyFileNeedsNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := write(t, "key.pem", pkcs8(p256Key()))
		s := &server{answer: granting(time.Hour)}
		source := newSource(t, s, credential(tokensource.PrivateKey{File: name, Audience: issuer}))
		access(t, source)
		write(t, name, pkcs8(rsaKey()))
		time.Sleep(time.Hour)
		access(t, source)
		require.Equal(t, "ES256", headerOf(t, s.call(1))["alg"])
		require.Equal(t, "RS256", headerOf(t, s.call(2))["alg"])
	})
}

type failingSigner struct{ crypto.Signer }

func (failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key service is away")
}

func TestAKeyServiceThatFailsIsToldOf(t *testing.T) {
	s := &server{}
	_, err := newSource(t, s, credential(tokensource.PrivateKey{Key: tokensource.Key{Signer: failingSigner{p256Key()}}, Audience: issuer})).Token()
	require.ErrorContains(t, err, "the key service is away")
	require.Zero(t, s.count())
}

// checking is a server that holds assertions to the strict profile by its own
// clock, off from ours.
func checking(t *testing.T, off time.Duration, dated bool) *server {
	s := &server{}
	s.answer = func(n int, c call) *http.Response {
		now := time.Now().Add(off)
		date := "Date: " + now.UTC().Format(http.TimeFormat)
		if !dated {
			date = "X-None: x"
		}
		claims := claimsOf(t, c)
		exp, iat := int64(claims["exp"].(float64)), int64(claims["iat"].(float64))
		if now.Unix() > exp+60 || iat > now.Unix()+60 || exp > now.Unix()+360 {
			return respond(401, `{"error":"invalid_client"}`, date)
		}
		resp := grant(fmt.Sprint("token-", n), time.Hour)
		resp.Header.Set("Date", now.UTC().Format(http.TimeFormat))
		return resp
	}
	return s
}

func TestSecurity74AnAssertionIsSignedOnceMoreByTheServersClock(t *testing.T) {
	for _, c := range []struct {
		name  string
		off   time.Duration // of the server
		dated bool
		sent  int
		want  string // of the error; empty: it works
	}{
		{"the same clock", 0, true, 1, ""},
		{"a minute ahead", time.Minute, true, 1, ""},
		{"a minute behind", -time.Minute, true, 1, ""},
		{"five minutes ahead", 5 * time.Minute, true, 2, ""},
		{"five minutes behind", -5 * time.Minute, true, 2, ""},
		{"a time zone ahead", 14 * time.Hour, true, 2, ""},
		{"a time zone behind", -12 * time.Hour, true, 2, ""},
		{"two days ahead, which is too far", 48 * time.Hour, true, 1, "; the clock of this machine is 48h0m1s behind that of the server"},
		{"two days behind, which is too far", -48 * time.Hour, true, 1, "; the clock of this machine is 48h0m0s ahead of that of the server"},
		{"five minutes ahead, but it does not say so", 5 * time.Minute, false, 1, `refuses: invalid_client`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := checking(t, c.off, c.dated)
				log, logged := records()
				source := newSource(t, s, func(cfg *tokensource.Config) {
					cfg.Issuer, cfg.Logger = issuer, log
					cfg.Credential = tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}}
				})
				token, err := source.Token()
				require.Equal(t, c.sent, s.count())
				if c.want != "" {
					require.ErrorContains(t, err, c.want)
					return
				}
				require.NoError(t, err)
				if c.sent == 2 {
					require.NotEqual(t, claimsOf(t, s.call(1))["jti"], claimsOf(t, s.call(2))["jti"])
				}
				require.Equal(t, time.Now().Add(time.Hour).Unix(), token.Expiry.Unix(), "the life of the token is by our own clock")
				require.Equal(t, c.sent == 2, bytes.Contains([]byte(logged()), []byte("the clock of this machine is off")))

				t.Log("the next renewals need no correction")
				time.Sleep(time.Hour)
				access(t, source)
				require.Equal(t, c.sent+1, s.count())
			})
		})
	}
	t.Run("a clock that was set right needs none any more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := checking(t, 0, true)
			wrong := 2 * time.Hour
			source := newSource(t, s, func(cfg *tokensource.Config) {
				cfg.Issuer, cfg.Now = issuer, func() time.Time { return time.Now().Add(wrong) }
				cfg.Credential = tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}}
			})
			access(t, source)
			require.Equal(t, 2, s.count())
			wrong = 0
			time.Sleep(3 * time.Hour)
			access(t, source)
			require.Equal(t, 4, s.count())
			time.Sleep(time.Hour)
			access(t, source)
			require.Equal(t, 5, s.count())
		})
	})
	t.Run("a refusal for another reason is told, with the clock, after one correction", func(t *testing.T) {
		s := &server{answer: func(int, call) *http.Response {
			return respond(401, `{"error":"invalid_client"}`, "Date: "+time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}}
		source := newSource(t, s, credential(tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}, Audience: issuer}))
		_, err := source.Token()
		require.Equal(t, 2, s.count())
		require.Regexp(t, "invalid_client; the clock of this machine is (1h0m0s|59m59s) ahead of that of the server", err.Error())
	})
	t.Run("an assertion of something else can't be signed again, but the clock is told of", func(t *testing.T) {
		s := &server{answer: func(int, call) *http.Response {
			return respond(401, `{"error":"invalid_client"}`, "Date: "+time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}}
		_, err := newSource(t, s, credential(tokensource.Assertion{Value: "a.b.c"})).Token()
		require.Equal(t, 1, s.count())
		require.ErrorContains(t, err, "ahead of that of the server")
	})
	t.Run("a secret has no clock", func(t *testing.T) {
		s := &server{answer: func(int, call) *http.Response {
			return respond(401, `{"error":"invalid_client"}`, "Date: "+time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}}
		_, err := newSource(t, s).Token()
		require.Equal(t, 1, s.count())
		require.NotContains(t, err.Error(), "clock")
	})
	t.Run("a correction without a Date keeps the last", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := checking(t, 5*time.Minute, true)
			checked, refuse := s.answer, false
			s.answer = func(n int, c call) *http.Response {
				if refuse {
					return respond(400, `{"error":"invalid_scope"}`)
				}
				return checked(n, c)
			}
			source := newSource(t, s, credential(tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}, Audience: issuer}))
			access(t, source)
			refuse = true
			time.Sleep(time.Hour)
			_, err := source.Token()
			require.ErrorContains(t, err, "invalid_scope")
			require.Equal(t, 3, s.count(), "nothing is known of the clock")
			refuse = false
			time.Sleep(time.Hour)
			access(t, source)
			require.Equal(t, 4, s.count())
		})
	})
}

func TestAKeyOfAFunctionComesWithItsName(t *testing.T) {
	s := &server{answer: granting(time.Hour)}
	access(t, newSource(t, s, credential(tokensource.PrivateKey{Audience: issuer, Func: func(context.Context) (tokensource.Key, error) {
		return tokensource.Key{Signer: p384Key(), ID: "kms/7"}, nil
	}})))
	require.Equal(t, "kms/7", headerOf(t, s.call(1))["kid"])
}
