package clientele_test

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
	"github.com/clientele-go/clientele/token/verifier"
)

// The whole way: a catalog, a client and its secret, an issuer, a service that
// checks tokens, and a caller.
func Example() {
	ctx := audit.WithActor(context.Background(), audit.Program("example"))
	st := memstore.New()
	catalog := must(resource.NewCatalog(resource.Config{Store: st}))
	registry := must(client.NewRegistry(client.Config{Store: st, Resources: catalog}))

	// What there is to reach.
	must(catalog.Add(ctx, resource.Server{
		ID: "shop", Name: "Shop", Audience: "https://api.shop.example", Default: true,
		Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{
			{ID: "orders.read", Name: "Reader"}, {ID: "orders.write", Name: "Writer"},
		}}},
	}))

	// Who may reach it. The secret is shown this once.
	c := must(registry.Add(ctx, client.Spec{
		Name:   "nightly report",
		Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}},
	}))
	secret, _, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	if err != nil {
		panic(err)
	}

	// The authority, as an http.Handler.
	authority := httptest.NewUnstartedServer(nil)
	authorityURL := "http://" + authority.Listener.Addr().String()
	authority.Config.Handler = must(token.NewIssuer(ctx, token.Config{
		Issuer: authorityURL, Clients: registry, EphemeralKeys: true, Logger: quiet,
	}))
	authority.Start()
	defer authority.Close()

	// The service: it knows the authority's URL and its own audience.
	v := must(verifier.New(verifier.Config{Issuer: authorityURL, Audience: "https://api.shop.example", Logger: quiet}))
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Require("orders.read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verifier.FromContext(r.Context())
		fmt.Fprintf(w, "three orders for %t", claims.ClientID == c.ID)
	})))
	mux.Handle("POST /orders", v.Require("orders.write")(http.NotFoundHandler()))
	service := httptest.NewServer(mux)
	defer service.Close()

	// The caller, with golang.org/x/oauth2.
	caller := (&clientcredentials.Config{
		ClientID: c.ID, ClientSecret: secret.Reveal(), TokenURL: authorityURL + "/oauth2/v1/token",
	}).Client(ctx)
	fmt.Println(must(caller.Get(service.URL + "/orders")).Status)
	fmt.Println(must(caller.Post(service.URL+"/orders", "text/plain", nil)).Status)
	// Output:
	// 200 OK
	// 403 Forbidden
}

var quiet = slog.New(slog.DiscardHandler)

// must is for examples only.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
