package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/token"
)

// What was issued to a client, and which of its secrets are in use.
func ExampleIssuer_Tokens() {
	ctx := audit.WithActor(context.Background(), audit.Program("example"))
	registry, id, secret := exampleAuthority()
	issuer := must(token.NewIssuer(ctx, token.Config{
		Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true,
		Logger: slog.New(slog.DiscardHandler),
	}))
	defer issuer.Close(ctx)
	must(issuer.Issue(ctx, token.Request{ClientID: id, ClientSecret: secret, RemoteAddr: "192.0.2.7"}))

	page := must(issuer.Tokens(ctx, token.TokenFilter{ClientID: id, Status: token.TokenActive}))
	for _, t := range page.Tokens {
		fmt.Println(t.Method, t.Audience, t.Scopes, t.Address, t.ExpiresAt.Sub(t.IssuedAt))
		err := registry.DeleteUnusedSecret(ctx, id, t.Credential)
		fmt.Println(errors.Is(err, client.ErrInUse))
	}
	// Output:
	// SECRET https://orders.example.com [orders.read] 192.0.2.7 1h0m0s
	// true
}

// A program tells of credentials that end soon once an hour, say.
func ExampleIssuer_Notify() {
	ctx := context.Background()
	registry, _, _ := exampleAuthority() // with a secret for 90 days
	issuer := must(token.NewIssuer(ctx, token.Config{
		Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true,
	}))
	webhook := must(token.NewWebhook(token.WebhookConfig{
		URL: "https://hooks.example.com/clients", Secret: []byte("32 random bytes that are shared."),
	}))
	fmt.Println(must(issuer.Notify(ctx, webhook.Notify)), "credentials end soon")
	// Output: 0 credentials end soon
}
