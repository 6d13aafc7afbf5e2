// Package core is what a program of somebody else does with the core module.
package core

import (
	"context"
	"strings"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

// Run registers an API client, gets it a token, and returns the scopes that a
// verifier finds in it.
func Run(ctx context.Context) (string, error) {
	const audience = "https://api.shop.example"
	ctx = audit.WithActor(ctx, audit.Program("foreign"))
	st := memstore.New()
	defer st.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		return "", err
	}
	if _, err := catalog.Add(ctx, resource.Server{
		ID: "shop", Name: "Shop", Audience: audience, Default: true,
		Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Reader"}}}},
	}); err != nil {
		return "", err
	}
	clients, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	if err != nil {
		return "", err
	}
	c, err := clients.Add(ctx, client.Spec{Name: "report", Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}}})
	if err != nil {
		return "", err
	}
	secret, _, err := clients.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	if err != nil {
		return "", err
	}
	issuer, err := token.NewIssuer(ctx, token.Config{Issuer: "https://auth.example.com", Clients: clients, EphemeralKeys: true})
	if err != nil {
		return "", err
	}
	got, err := issuer.Issue(ctx, token.Request{ClientID: c.ID, ClientSecret: secret.Reveal()})
	if err != nil {
		return "", err
	}
	v, err := issuer.Verifier(audience)
	if err != nil {
		return "", err
	}
	claims, err := v.Verify(ctx, got.AccessToken)
	if err != nil {
		return "", err
	}
	return strings.Join(claims.Scopes, " "), nil
}
