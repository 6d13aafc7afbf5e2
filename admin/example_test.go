package admin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

// An API client with the role Super Admin adds another one by its access token.
func Example() {
	ctx := audit.WithActor(context.Background(), audit.Program("example"))
	st := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		log.Fatal(err)
	}
	_, err = catalog.Add(ctx, resource.Server{ID: "main", Name: "Main", Audience: "https://api.example.com", Default: true, Services: []resource.Service{
		{Name: "ZIAM", Scopes: []resource.Scope{{ID: "ziam::admin", Name: "Super Admin"}}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	roles, err := admin.ResolveRoles(ctx, catalog, admin.RolesConfig{})
	if err != nil {
		log.Fatal(err)
	}
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog, KeepOne: roles.Full()})
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := token.NewIssuer(ctx, token.Config{Issuer: "https://auth.example.com", Clients: registry, EphemeralKeys: true})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := issuer.Verifier(roles.Audience())
	if err != nil {
		log.Fatal(err)
	}
	api, err := admin.New(admin.Config{Registry: registry, Issuer: issuer, Authorize: admin.Bearer(verifier, registry, roles)})
	if err != nil {
		log.Fatal(err)
	}

	// The first administrator is added by the program itself.
	first, err := registry.Add(ctx, client.Spec{Name: "terraform", Grants: roles.Full()})
	if err != nil {
		log.Fatal(err)
	}
	secret, _, err := registry.AddSecret(ctx, first.ID, first.CreatedAt.AddDate(0, 0, 90))
	if err != nil {
		log.Fatal(err)
	}
	access, err := issuer.Issue(ctx, token.Request{ClientID: first.ID, ClientSecret: secret.Reveal()})
	if err != nil {
		log.Fatal(err)
	}

	r := httptest.NewRequest("POST", "/admin/api/v1/api-clients", strings.NewReader(`{"name": "nightly report"}`))
	r.Header.Set("Authorization", "Bearer "+access.AccessToken)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	fmt.Println(w.Code)

	page, err := registry.Audit().List(ctx, audit.Filter{Action: "client.add", Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Events[0].Actor.Name, "added", page.Events[0].Subject.Name)
	// Output:
	// 201
	// terraform added nightly report
}

// A program that knows who signs in by itself says what that one may do.
func ExampleConfig_authorize() {
	authorize := func(r *http.Request) (admin.Access, error) {
		user, _, ok := r.BasicAuth() // checked by a proxy
		if !ok {
			return admin.Access{}, admin.ErrUnauthenticated
		}
		return admin.Access{
			Actor:   audit.Actor{Kind: audit.Person, ID: user, Name: user},
			Clients: admin.Full, Resources: admin.View, // sees everything, and changes nothing
		}, nil
	}
	_, err := authorize(httptest.NewRequest("GET", "/", nil))
	fmt.Println(err)
	// Output: not authenticated
}

// Each API client that a file declares is added or edited, and no other.
func ExampleParseClients() {
	ctx := audit.WithActor(context.Background(), audit.Program("example"))
	st := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		log.Fatal(err)
	}
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	if err != nil {
		log.Fatal(err)
	}
	file, err := admin.ParseClients(ctx, catalog, []byte(`[{"name": "nightly report", "accessTokenLifeTime": 5}]`))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Apply(ctx, registry, client.Declaration{Owner: "example", Clients: file.Clients}, false)
	fmt.Println(file.Explain(err))
	// Output: invalid API client: [0].accessTokenLifeTime: is 5s; choose 1m0s to 24h0m0s
}
