package tokensource_test

import (
	"crypto"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/clienteletest"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/tokensource"
)

// addKeyClient registers a client that authenticates by the public key of key.
func addKeyClient(t *testing.T, a *clienteletest.Authority, key crypto.Signer) string {
	t.Helper()
	public, err := credentials.NewKey(key.Public())
	require.NoError(t, err)
	c, err := a.Registry.Add(clienteletest.Context(t), client.Spec{
		Name: "by key", Keys: []credentials.Key{public}, Grants: grants(t, a),
	})
	require.NoError(t, err)
	return c.ID
}

// grants returns those of the client that every Authority has.
func grants(t *testing.T, a *clienteletest.Authority) []client.Grant {
	t.Helper()
	c, err := a.Registry.Get(t.Context(), a.ClientID)
	require.NoError(t, err)
	return c.Grants
}

// Our own Issuer gives tokens to each credential, and its metadata says where.
func TestOurIssuerTakesEachCredential(t *testing.T) {
	for _, c := range []struct {
		name       string
		key        crypto.Signer // nil: the client with a secret
		compatible bool
		credential func(a *clienteletest.Authority) tokensource.Credential
	}{
		{"a secret by Basic", nil, false, func(a *clienteletest.Authority) tokensource.Credential {
			return tokensource.Secret{Value: a.ClientSecret}
		}},
		{"a secret in the body", nil, false, func(a *clienteletest.Authority) tokensource.Credential {
			return tokensource.Secret{Value: a.ClientSecret, InBody: true}
		}},
		{"RSA in the strict profile", rsaKey(), false, func(*clienteletest.Authority) tokensource.Credential {
			return tokensource.PrivateKey{File: write(t, "rsa.pem", pkcs8(rsaKey()))}
		}},
		{"PS512 in the strict profile", rsaKey(), false, func(*clienteletest.Authority) tokensource.Credential {
			return tokensource.PrivateKey{File: write(t, "rsa.jwk", members(rsaKey(), "alg", "PS512"))}
		}},
		{"P-256 in the strict profile", p256Key(), false, func(*clienteletest.Authority) tokensource.Credential {
			return tokensource.PrivateKey{Key: tokensource.Key{Signer: p256Key()}}
		}},
		{"Ed25519 in the strict profile, with a kid that nobody knows", ed25519Key(), false, func(*clienteletest.Authority) tokensource.Credential {
			return tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key(), ID: "mine", Algorithm: "Ed25519"}}
		}},
		{"P-384 for the token endpoint", p384Key(), true, func(a *clienteletest.Authority) tokensource.Credential {
			return tokensource.PrivateKey{Key: tokensource.Key{Signer: p384Key()}, Audience: a.TokenURL}
		}},
		{"P-521 for the audience of the API", p521Key(), true, func(a *clienteletest.Authority) tokensource.Credential {
			return tokensource.PrivateKey{Key: tokensource.Key{Signer: p521Key()}, Audience: a.Audience}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := clienteletest.Start(t, clienteletest.Config{Issuer: func(cfg *token.Config) { cfg.CompatibleAssertions = c.compatible }})
			id := a.ClientID
			if c.key != nil {
				id = addKeyClient(t, a, c.key)
			}
			source, err := tokensource.New(tokensource.Config{
				Issuer: a.URL, ClientID: id, Credential: c.credential(a), Audience: a.Audience, Scopes: []string{"read"},
				HTTPClient: a.HTTPClient(), Now: a.Clock.Now, Logger: quiet,
			})
			require.NoError(t, err)
			verifier := a.Verifier(t)
			for range 3 {
				got, err := source.Token()
				require.NoError(t, err)
				claims, err := verifier.Verify(t.Context(), got.AccessToken)
				require.NoError(t, err)
				require.Equal(t, id, claims.ClientID)
				require.Equal(t, "read", got.Extra("scope"))
				a.Clock.Advance(time.Until(got.Expiry) + time.Hour)
			}
		})
	}
}

// A server that fetches the keys of the ring over HTTP.
func TestOurIssuerFetchesTheKeysOfARing(t *testing.T) {
	name := write(t, "key.pem", pkcs8(p256Key()))
	ring := newRing(t, tokensource.KeyRingConfig{Files: []string{name}})
	web := httptest.NewTLSServer(ring)
	defer web.Close()
	// The name is public, and leads to the server of the test.
	base := web.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.ServerName = "example.com"
	base.DialContext = newDialer(web.Listener.Addr().String())
	cache, err := jwks.New(jwks.Config{HTTPClient: &http.Client{Transport: base}, Logger: quiet})
	require.NoError(t, err)
	a := clienteletest.Start(t, clienteletest.Config{Issuer: func(cfg *token.Config) { cfg.JWKS = cache }})
	c, err := a.Registry.Add(clienteletest.Context(t), client.Spec{
		Name: "by URL", JWKSURL: "https://keys.example.com/jwks.json", Grants: grants(t, a),
	})
	require.NoError(t, err)
	source, err := tokensource.New(tokensource.Config{
		Issuer: a.URL, ClientID: c.ID, Credential: tokensource.PrivateKey{Func: ring.Key},
		HTTPClient: a.HTTPClient(), Now: a.Clock.Now, Logger: quiet,
	})
	require.NoError(t, err)
	require.NotEmpty(t, access(t, source))
}

// Over the network, with a Date in each answer.
func TestSecurity74OurIssuerTakesAssertionsOfACallerWhoseClockIsOff(t *testing.T) {
	for _, off := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute, 10 * time.Hour} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			a := clienteletest.Start(t, clienteletest.Config{Listen: true})
			source, err := tokensource.New(tokensource.Config{
				Issuer: a.URL, ClientID: addKeyClient(t, a, ed25519Key()), Logger: quiet,
				Credential: tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}},
				Now:        func() time.Time { return time.Now().Add(off) },
			})
			require.NoError(t, err)
			require.NotEmpty(t, access(t, source))
		})
	}
}

func TestOurIssuerRefusesAndSaysWhy(t *testing.T) {
	a := clienteletest.Start(t, clienteletest.Config{})
	source, err := tokensource.New(tokensource.Config{
		Issuer: a.URL, ClientID: a.ClientID, Credential: tokensource.Secret{Value: secret}, HTTPClient: a.HTTPClient(), Logger: quiet,
	})
	require.NoError(t, err)
	_, err = source.Token()
	var answer *oauth2.RetrieveError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, "invalid_client", answer.ErrorCode)
	require.Equal(t, 401, answer.Response.StatusCode)
	leaks(t, everything(t, err), secret)
}
