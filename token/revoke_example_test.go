package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// A token that has leaked is revoked, and then all that its client has got; what
// the client gets afterwards is good.
func ExampleIssuer_RevokeClient() {
	registry, id, secret := exampleAuthority()
	issuer := must(token.NewIssuer(context.Background(), token.Config{
		Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true,
		Logger: slog.New(slog.DiscardHandler),
	}))
	get := func() *token.Token {
		return must(issuer.Issue(context.Background(), token.Request{ClientID: id, ClientSecret: secret}))
	}
	leaked, other := get(), get()
	service := must(issuer.Verifier(leaked.Audience))
	check := func(name string, t *token.Token) {
		_, err := service.Verify(context.Background(), t.AccessToken)
		var refusal *verifier.TokenError
		if errors.As(err, &refusal) {
			fmt.Println(name, refusal.Reason)
			return
		}
		fmt.Println(name, "good")
	}

	ctx := audit.WithActor(context.Background(), audit.Actor{Kind: audit.Person, Name: "Ada"})
	must(issuer.RevokeToken(ctx, leaked.AccessToken))
	check("leaked:", leaked)
	check("other:", other)
	must(issuer.RevokeClient(ctx, id))
	check("other:", other)
	check("new:", get())
	// Output:
	// leaked: revoked
	// other: good
	// other: revoked
	// new: good
}
