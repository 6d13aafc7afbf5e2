package interop_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// xoauth2 is the configuration that its users write.
func (s *server) xoauth2(clientID, secret string, style oauth2.AuthStyle) *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID: clientID, ClientSecret: secret, TokenURL: s.tokenEndpoint, AuthStyle: style,
		EndpointParams: url.Values{"audience": {audience}},
	}
}

func (s *server) testXOAuth2(t *testing.T) {
	for name, style := range map[string]oauth2.AuthStyle{
		"by Basic": oauth2.AuthStyleInHeader, "by post": oauth2.AuthStyleInParams, "by what it finds out": oauth2.AuthStyleAutoDetect,
	} {
		t.Run(name, func(t *testing.T) {
			for clientID, secret := range map[string]string{"by-secret": plainSecret, "by-odd-secret": oddSecret} {
				cfg := s.xoauth2(clientID, secret, style)
				first, err := cfg.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, "Bearer", first.TokenType)
				require.Equal(t, "orders::reader", first.Extra("scope"))
				second, err := cfg.Token(t.Context())
				require.NoError(t, err)
				require.NotEqual(t, s.check(t, clientID, first.AccessToken), s.check(t, clientID, second.AccessToken))
			}
			_, err := s.xoauth2("by-secret", plainSecret+"x", style).Token(t.Context())
			var refused *oauth2.RetrieveError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "invalid_client", refused.ErrorCode)
			require.Equal(t, http.StatusUnauthorized, refused.Response.StatusCode)
			require.NotContains(t, err.Error(), plainSecret)
		})
	}
	t.Run("with a scope that it has", func(t *testing.T) {
		cfg := s.xoauth2("by-secret", plainSecret, oauth2.AuthStyleInHeader)
		cfg.Scopes = []string{"orders::reader"}
		token, err := cfg.Token(t.Context())
		require.NoError(t, err)
		s.check(t, "by-secret", token.AccessToken)
	})
	t.Run("with a scope that it has not", func(t *testing.T) {
		cfg := s.xoauth2("by-secret", plainSecret, oauth2.AuthStyleInHeader)
		cfg.Scopes = []string{"orders::editor"}
		_, err := cfg.Token(t.Context())
		var refused *oauth2.RetrieveError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "invalid_scope", refused.ErrorCode)
	})
}

// testGoOIDC has go-oidc verify our access tokens, as many API gateways and
// operators do.
func (s *server) testGoOIDC(t *testing.T) {
	token, err := s.xoauth2("by-secret", plainSecret, oauth2.AuthStyleInHeader).Token(t.Context())
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context()) // the provider keeps it
	provider, err := oidc.NewProvider(ctx, s.issuer)
	require.NoError(t, err)
	require.Equal(t, s.tokenEndpoint, provider.Endpoint().TokenURL)

	accepts := func(audience string) (*oidc.IDToken, error) {
		// It takes RS256 alone unless it is told otherwise.
		cfg := &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{oidc.ES256}}
		return provider.Verifier(cfg).Verify(ctx, token.AccessToken)
	}
	verified, err := accepts(audience)
	require.NoError(t, err)
	require.Equal(t, "by-secret", verified.Subject)
	require.Equal(t, []string{audience}, verified.Audience)
	var claims struct {
		ClientID string `json:"client_id"`
		Scope    string `json:"scope"`
	}
	require.NoError(t, verified.Claims(&claims))
	require.Equal(t, "by-secret", claims.ClientID)
	require.Equal(t, "orders::reader", claims.Scope)

	_, err = accepts("https://other.example.com")
	require.ErrorContains(t, err, "expected audience")

	_, err = oidc.NewProvider(ctx, s.issuer+"/")
	require.Error(t, err, "the issuer is compared letter by letter")
}

// decode reads the JSON that a program wrote.
func decode(t *testing.T, text []byte, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, v), "%s", text)
}
