package client_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// open returns a Registry over a catalog of one API, and the context of a program
// that may change things.
func open() (context.Context, *client.Registry) {
	ctx := audit.WithActor(context.Background(), audit.Program("setup"))
	st := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		panic(err)
	}
	_, err = catalog.Add(ctx, resource.Server{
		ID: "orders", Name: "Orders API", Audience: "https://orders.example.com", Default: true,
		Services: []resource.Service{{
			Name:   "Orders",
			Scopes: []resource.Scope{{ID: "orders.read", Name: "Read orders"}, {ID: "orders.write", Name: "Change orders"}},
		}},
	})
	if err != nil {
		panic(err)
	}
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	if err != nil {
		panic(err)
	}
	return ctx, registry
}

func Example() {
	ctx, registry := open()

	// Register an API client.
	c, err := registry.Add(ctx, client.Spec{
		Name:   "nightly report",
		Labels: map[string]string{"owner": "ops"},
		Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("registered:", c.Name, "/", c.Grants[0].Service, "/", c.Grants[0].Scope)

	// Give it a secret: secret.Reveal() is its value, seen here and never again.
	secret, kept, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	if err != nil {
		panic(err)
	}
	fmt.Println("valid for 90 days:", kept.Valid(time.Now().AddDate(0, 0, 89)))

	// Later, give it a new one, and its owner a week to take it up.
	newSecret, _, err := registry.Rotate(ctx, c.ID, client.Rotation{
		ExpiresAt: time.Now().AddDate(0, 0, 90),
		OldEndsAt: time.Now().AddDate(0, 0, 7),
	})
	if err != nil {
		panic(err)
	}

	// What an issuer of tokens asks.
	c, err = registry.Lookup(ctx, c.ID)
	if err != nil {
		panic(err)
	}
	for _, days := range []int{0, 8} {
		at := time.Now().AddDate(0, 0, days)
		_, _, oldValid := c.CheckSecret(secret.Reveal(), at)
		_, _, newValid := c.CheckSecret(newSecret.Reveal(), at)
		fmt.Println("after days:", days, "old:", oldValid, "new:", newValid)
	}
	// Output:
	// registered: nightly report / Orders / Read orders
	// valid for 90 days: true
	// after days: 0 old: true new: true
	// after days: 8 old: false new: true
}

func ExampleRegistry_Add() {
	ctx, registry := open()
	_, err := registry.Add(ctx, client.Spec{
		Name:          "nightly\nreport",
		TokenLifetime: 30 * time.Second,
		Grants: []client.Grant{
			{ServerID: "orders", ScopeID: "orders.read"},
			{ServerID: "orders", ScopeID: "orders.write"},
		},
	})
	var invalid *client.InvalidError
	if errors.As(err, &invalid) {
		for _, p := range invalid.Problems {
			fmt.Println(p.Field, "|", p.Message)
		}
	}
	// Output:
	// Name | has the control character U+000A; leave it out
	// TokenLifetime | is 30s; choose 1m0s to 24h0m0s
	// Grants[1].ScopeID | is a second scope ("Change orders" beside "Read orders") of the service "Orders"; choose one for each service
}

// An edit that is based on what somebody saw before, as the If-Match of an HTTP
// request says it, is refused if the client has changed since.
func ExampleRegistry_Edit() {
	ctx, registry := open()
	c, err := registry.Add(ctx, client.Spec{Name: "nightly report"})
	if err != nil {
		panic(err)
	}

	describe := func(seen store.Revision, description string) error {
		_, err := registry.Edit(ctx, c.ID, func(c *client.Client) error {
			if c.Version != seen {
				return client.ErrConflict
			}
			c.Description = description
			return nil
		})
		return err
	}
	fmt.Println(describe(c.Version, "Runs at two."))
	fmt.Println(describe(c.Version, "Runs at three."))

	c, err = registry.Get(ctx, c.ID)
	fmt.Println(c.Description, err)
	// Output:
	// <nil>
	// changed in between
	// Runs at two. <nil>
}

func ExampleRegistry_List() {
	ctx, registry := open()
	for _, name := range []string{"nightly report", "Nightly backup", "weekly report", "NIGHTLY audit"} {
		if _, err := registry.Add(ctx, client.Spec{Name: name}); err != nil {
			panic(err)
		}
	}

	q := client.Query{Search: "nightly", Limit: 2, Count: true}
	for {
		page, err := registry.List(ctx, q)
		if err != nil {
			panic(err)
		}
		fmt.Println("of", page.Total)
		for _, c := range page.Clients {
			fmt.Println("-", c.Name)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	// Output:
	// of 3
	// - NIGHTLY audit
	// - Nightly backup
	// of 3
	// - nightly report
}

func ExampleRegistry_Import() {
	ctx, registry := open()
	secret := "5f0c7a1e9b3d4862a7e5c1f09d8b6a34" // made by a random generator, elsewhere
	c, err := registry.Import(ctx, client.Import{
		ID:   "legacy-report",
		Spec: client.Spec{Name: "legacy report"},
		Secrets: []client.ImportedSecret{{
			Digest:    sha256.Sum256([]byte(secret)),
			ExpiresAt: time.Now().AddDate(0, 0, 30),
		}},
		HighEntropy: true,
	})
	if err != nil {
		panic(err)
	}
	_, known, valid := c.CheckSecret(secret, time.Now())
	fmt.Println(c.ID, known, valid)

	_, err = registry.Import(ctx, client.Import{ID: "legacy-report", Spec: client.Spec{Name: "again"}})
	fmt.Println(errors.Is(err, client.ErrIDUsed))
	// Output:
	// legacy-report true true
	// true
}

// A program that looks every day warns of what ends within two weeks.
func ExampleRegistry_Expiring() {
	ctx, registry := open()
	for name, days := range map[string]int{"nightly report": 45, "weekly report": 90} {
		c, err := registry.Add(ctx, client.Spec{Name: name})
		if err != nil {
			panic(err)
		}
		if _, _, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, days)); err != nil {
			panic(err)
		}
	}

	today := time.Now().AddDate(0, 0, 40)
	secrets, _, err := registry.Expiring(ctx, today, today.AddDate(0, 0, 14), "", 0)
	if err != nil {
		panic(err)
	}
	for _, s := range secrets {
		fmt.Println(s.Client.Name)
	}
	// Output:
	// nightly report
}

func ExampleRegistry_LostScopes() {
	ctx, registry := open()
	_, err := registry.Add(ctx, client.Spec{
		Name:   "nightly report",
		Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.write"}},
	})
	if err != nil {
		panic(err)
	}

	// The service starts, and has fewer roles than before.
	diff, err := registry.Resources().Sync(ctx, "orders", "Orders", []resource.Scope{{ID: "orders.read", Name: "Read orders"}})
	if err != nil {
		panic(err)
	}
	lost, err := registry.LostScopes(ctx, diff)
	if err != nil {
		panic(err)
	}
	for _, l := range lost {
		fmt.Println(l.Client.Name, "lost", l.Grant.Scope)
	}
	// Output:
	// nightly report lost Change orders
}

// A dry run tells whether a change would be made, and what would come of it.
func ExampleRegistry_DryRun() {
	ctx, registry := open()
	if _, err := registry.Add(ctx, client.Spec{Name: "nightly report"}); err != nil {
		panic(err)
	}

	dry := registry.DryRun()
	_, err := dry.Add(ctx, client.Spec{Name: "Nightly Report"})
	fmt.Println(errors.Is(err, client.ErrNameTaken))
	c, err := dry.Add(ctx, client.Spec{Name: "weekly report"})
	fmt.Println(c.Name, c.TokenLifetime, err)

	_, err = registry.ByName(ctx, "weekly report")
	fmt.Println("added:", err == nil)
	// Output:
	// true
	// weekly report 1h0m0s <nil>
	// added: false
}

// Who has made a secret hands in its digest alone, and may keep it wherever it is.
func ExampleRegistry_AddSecretDigest() {
	ctx, registry := open()
	c, err := registry.Add(ctx, client.Spec{Name: "nightly report"})
	if err != nil {
		panic(err)
	}

	secret := rand.Text() // 128 random bits, which never leave this place
	_, err = registry.AddSecretDigest(ctx, c.ID, client.SecretDigest{
		Digest:      sha256.Sum256([]byte(secret)),
		ExpiresAt:   time.Now().AddDate(0, 0, 90),
		HighEntropy: true,
	})
	if err != nil {
		panic(err)
	}
	c, err = registry.Lookup(ctx, c.ID)
	if err != nil {
		panic(err)
	}
	_, known, valid := c.CheckSecret(secret, time.Now())
	fmt.Println(known, valid)
	// Output:
	// true true
}

// What is declared in one place is applied whenever it may have changed.
func ExampleApply() {
	ctx, registry := open()
	declaration := client.Declaration{
		Owner: "deployments",
		Clients: []client.Declared{{
			ExternalID: "report",
			Spec: client.Spec{
				Name:   "nightly report",
				Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}},
			},
		}, {
			ExternalID: "shop",
			Spec:       client.Spec{Name: "web shop"},
		}},
	}
	if _, err := client.Apply(ctx, registry, declaration, false); err != nil {
		panic(err)
	}

	declaration.Clients[0].Grants[0].ScopeID = "orders.write"
	declaration.Clients = declaration.Clients[:1]
	declaration.Prune = true
	plan, err := client.Apply(ctx, registry, declaration, true)
	if err != nil {
		panic(err)
	}
	for _, step := range plan.Steps {
		fmt.Println(step.Action, step.Name)
		for _, c := range step.Changes {
			fmt.Printf("  %s: %s -> %s\n", c.Field, c.From, c.To)
		}
	}

	// A mistake changes nothing, and is said with its place.
	declaration.Clients[0].Grants[0].ScopeID = "orders.rite"
	_, err = client.Apply(ctx, registry, declaration, false)
	fmt.Println(err)
	// Output:
	// edit nightly report
	//   Grants: orders.read at orders (Orders: Read orders) -> orders.write at orders (Orders: Change orders)
	// delete web shop
	// invalid declaration of API clients: "report": Grants[0].ScopeID: names the scope "orders.rite", which the resource server "Orders API" does not have
}
