package token_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

// must is for examples only.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// exampleAuthority registers a client that may read orders.
func exampleAuthority() (*client.Registry, string, string) {
	ctx := audit.WithActor(context.Background(), audit.Program("example"))
	st := memstore.New()
	catalog := must(resource.NewCatalog(resource.Config{Store: st}))
	registry := must(client.NewRegistry(client.Config{Store: st, Resources: catalog}))
	must(catalog.Add(ctx, resource.Server{
		ID: "orders", Name: "Orders", Audience: "https://orders.example.com", Default: true,
		Services: []resource.Service{{ID: "o", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Reader"}}}},
	}))
	c := must(registry.Add(ctx, client.Spec{
		Name: "nightly report", Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}},
	}))
	secret, _, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	if err != nil {
		panic(err)
	}
	return registry, c.ID, secret.Reveal()
}

// An Issuer as an http.Handler, and a caller with golang.org/x/oauth2.
func ExampleIssuer_ServeHTTP() {
	registry, id, secret := exampleAuthority()
	server := httptest.NewUnstartedServer(nil)
	issuer := must(token.NewIssuer(context.Background(), token.Config{
		Issuer:        "http://" + server.Listener.Addr().String(),
		Clients:       registry,
		EphemeralKeys: true,
		Logger:        slog.New(slog.DiscardHandler),
	}))
	server.Config.Handler = issuer
	server.Start()
	defer server.Close()

	caller := clientcredentials.Config{
		ClientID: id, ClientSecret: secret,
		TokenURL: server.URL + "/oauth2/v1/token",
		Scopes:   []string{"orders.read"},
	}
	got := must(caller.Token(context.Background()))
	fmt.Println(got.TokenType, got.Extra("scope"))
	// Output: Bearer orders.read
}

// An Issuer as a plain method, and a Verifier in the same process.
func ExampleIssuer_Issue() {
	registry, id, secret := exampleAuthority()
	issuer := must(token.NewIssuer(context.Background(), token.Config{
		Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true,
	}))
	got := must(issuer.Issue(context.Background(), token.Request{ClientID: id, ClientSecret: secret}))

	verifier := must(issuer.Verifier("https://orders.example.com"))
	claims := must(verifier.Verify(context.Background(), got.AccessToken))
	fmt.Println(claims.ClientID == id, claims.Scopes)
	// Output: true [orders.read]
}

// A caller complains that it gets no token: why?
func ExampleIssuer_Denials() {
	ctx := context.Background()
	registry, id, secret := exampleAuthority()
	issuer := must(token.NewIssuer(ctx, token.Config{
		Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true,
		Logger: slog.New(slog.DiscardHandler),
	}))
	defer issuer.Close(ctx)
	_, _ = issuer.Issue(ctx, token.Request{ClientID: id, ClientSecret: secret, Audience: "https://order.example.com"})
	_, _ = issuer.Issue(ctx, token.Request{ClientID: id, ClientSecret: secret + " "})

	page := must(issuer.Denials(ctx, token.DenialFilter{ClientID: id}))
	for _, d := range page.Denials {
		fmt.Println(d.Reason, d.Audience, d.Secret.State)
	}
	// Output:
	// mistyped_secret  malformed
	// unknown_target https://order.example.com valid
}

// OnIssue has the last word: here it adds a claim, and refuses at night.
func ExampleConfig_onIssue() {
	registry, id, secret := exampleAuthority()
	night := false
	issuer := must(token.NewIssuer(context.Background(), token.Config{
		Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true,
		Logger: slog.New(slog.DiscardHandler),
		OnIssue: func(ctx context.Context, issuance *token.Issuance) error {
			if night {
				return &token.Error{Code: token.CodeAccessDenied, Status: http.StatusForbidden, Description: "Come back tomorrow."}
			}
			issuance.Claims = map[string]any{"team": issuance.Client.Labels["team"]}
			issuance.Lifetime = 5 * time.Minute
			return nil
		},
	}))
	request := token.Request{ClientID: id, ClientSecret: secret}
	got := must(issuer.Issue(context.Background(), request))
	fmt.Println(got.ExpiresIn)
	night = true
	_, err := issuer.Issue(context.Background(), request)
	fmt.Println(err)
	// Output:
	// 5m0s
	// token request refused: access_denied (refused_by_hook)
}
