package clienteletest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/clienteletest"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// orders is a handler as a user of the library has it.
func orders(v *verifier.Verifier) http.Handler {
	return v.Require("orders.read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verifier.FromContext(r.Context())
		fmt.Fprint(w, claims.ClientID)
	}))
}

func TestTokensGoodAndBadOnPurpose(t *testing.T) {
	a := clienteletest.Start(t, clienteletest.Config{Scopes: []string{"orders.read", "orders.write"}})
	handler := orders(a.Verifier(t))
	id, secret := a.Client(t, "another", "orders.read")
	for _, tt := range []struct {
		name   string
		spec   clienteletest.Token
		status int
		text   string
	}{
		{"good", clienteletest.Token{}, 200, a.ClientID},
		{"good, of another client", clienteletest.Token{ClientID: id, ClientSecret: secret, Scopes: []string{"orders.read"}}, 200, id},
		{"with the one scope", clienteletest.Token{Scopes: []string{"orders.read"}}, 200, a.ClientID},
		{"without the scope", clienteletest.Token{Without: []string{"orders.read"}}, 403, "insufficient_scope"},
		{"with another scope", clienteletest.Token{Scopes: []string{"orders.write"}}, 403, "insufficient_scope"},
		{"expired", clienteletest.Token{Expired: true}, 401, "invalid_token"},
		{"for another audience", clienteletest.Token{Audience: "https://other.test"}, 401, "invalid_token"},
		{"for another audience again", clienteletest.Token{Audience: "https://other.test"}, 401, "invalid_token"},
		{"by an unknown key", clienteletest.Token{UnknownKey: true}, 401, "invalid_token"},
		{"with a bad signature", clienteletest.Token{BadSignature: true}, 401, "invalid_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, a.Request(t, "GET", "/orders", nil, tt.spec))
			require.Equal(t, tt.status, w.Code)
			require.Contains(t, w.Body.String()+w.Header().Get("WWW-Authenticate"), tt.text)
		})
	}
	require.Zero(t, a.Requests(), "and all that without HTTP")
}

func TestARevokedTokenIsRefusedAtOnce(t *testing.T) {
	a := clienteletest.Start(t, clienteletest.Config{})
	v := a.Verifier(t)
	raw, other := a.Token(t, clienteletest.Token{}), a.Token(t, clienteletest.Token{})
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
	_, err = a.Issuer.RevokeToken(audit.WithActor(t.Context(), audit.Program(t.Name())), raw)
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), raw)
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
	_, err = v.Verify(t.Context(), other)
	require.NoError(t, err)
}

func TestTimePassesWhenTheTestSaysSo(t *testing.T) {
	noon := time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)
	a := clienteletest.Start(t, clienteletest.Config{Start: noon})
	require.Equal(t, noon, a.Clock.Now())
	v := a.Verifier(t)
	raw := a.Token(t, clienteletest.Token{})
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
	a.Clock.Advance(2 * time.Hour)
	_, err = v.Verify(t.Context(), raw)
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
}

func TestCallersReachTheAuthorityWithoutANetwork(t *testing.T) {
	for _, listen := range []bool{false, true} {
		a := clienteletest.Start(t, clienteletest.Config{Listen: listen})
		cfg := clientcredentials.Config{ClientID: a.ClientID, ClientSecret: a.ClientSecret, TokenURL: a.TokenURL, AuthStyle: oauth2.AuthStyleInHeader}
		ctx := context.Background()
		if !listen {
			ctx = context.WithValue(ctx, oauth2.HTTPClient, a.HTTPClient())
		}
		got, err := cfg.Token(ctx)
		require.NoError(t, err)
		require.Equal(t, "read write", got.Extra("scope"))
		require.Equal(t, 1, a.Requests())

		a.SetDown(true)
		_, err = cfg.Token(ctx)
		require.ErrorContains(t, err, "503")
		a.SetDown(false)
		_, err = cfg.Token(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, a.Requests())
	}
}

func TestTheClientWithoutANetworkReachesNothingElse(t *testing.T) {
	a := clienteletest.Start(t, clienteletest.Config{})
	_, err := a.HTTPClient().Get("https://elsewhere.test/")
	require.ErrorContains(t, err, "elsewhere.test can't be reached")
	resp, err := a.HTTPClient().Get(a.URL + "/.well-known/oauth-authorization-server")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", a.URL, nil)
	require.NoError(t, err)
	_, err = a.HTTPClient().Do(r)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRotateKeys(t *testing.T) {
	a := clienteletest.Start(t, clienteletest.Config{})
	v, err := verifier.New(verifier.Config{Issuer: a.URL, Audience: a.Audience, HTTPClient: a.HTTPClient(), Now: a.Clock.Now})
	require.NoError(t, err)
	head := func(raw string) string { h, _, _ := strings.Cut(raw, "."); return h }
	before := a.Token(t, clienteletest.Token{})
	_, err = v.Verify(t.Context(), before)
	require.NoError(t, err)
	a.RotateKeys(t)
	after := a.Token(t, clienteletest.Token{})
	require.NotEqual(t, head(before), head(after))
	_, err = v.Verify(t.Context(), after)
	require.NoError(t, err)
}

func TestTheIssuerCanBeConfigured(t *testing.T) {
	a := clienteletest.Start(t, clienteletest.Config{Issuer: func(c *token.Config) {
		c.Algorithm = "EdDSA"
		c.OnIssue = func(_ context.Context, i *token.Issuance) error {
			i.Claims = map[string]any{"team": "blue"}
			return nil
		}
	}})
	claims, err := a.Verifier(t).Verify(t.Context(), a.Token(t, clienteletest.Token{}))
	require.NoError(t, err)
	var own struct{ Team string }
	require.NoError(t, claims.Decode(&own))
	require.Equal(t, "blue", own.Team)
}
