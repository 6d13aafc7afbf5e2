package resource_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
)

func Example() {
	s := memstore.New()
	defer s.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Program("setup"))

	_, err = catalog.Add(ctx, resource.Server{
		Name:     "Orders API",
		Audience: "https://api.example.com",
		Default:  true,
		Services: []resource.Service{{
			Name:   "Orders",
			Scopes: []resource.Scope{{ID: "orders.read", Name: "Read orders"}, {ID: "orders.write", Name: "Change orders"}},
		}},
	})
	if err != nil {
		panic(err)
	}

	server, err := catalog.ByAudience(ctx, "https://api.example.com")
	if err != nil {
		panic(err)
	}
	service, scope, ok := server.Scope("orders.read")
	fmt.Println(server.Name, "/", service.Name, "/", scope.Name, ok)

	_, err = catalog.Add(ctx, resource.Server{Name: "Billing API", Audience: "billing.example.com"})
	var field *resource.FieldError
	if errors.As(err, &field) {
		fmt.Println(field.Field, "|", field.Problem)
	}
	// Output:
	// Orders API / Orders / Read orders true
	// primaryAud | is not absolute; begin with a scheme, say https:
}

func ExampleCatalog_Edit() {
	s := memstore.New()
	defer s.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Program("setup"))
	server, err := catalog.Add(ctx, resource.Server{ID: "orders", Name: "Orders", Audience: "urn:example:orders"})
	if err != nil {
		panic(err)
	}
	edited, err := catalog.Edit(ctx, "orders", func(s *resource.Server) error {
		s.Description = "All that was ever ordered"
		return nil
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(edited.Description, edited.Version > server.Version)
	// Output:
	// All that was ever ordered true
}

func ExampleCatalog_Load() {
	s := memstore.New()
	defer s.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Program("setup"))
	const file = `{"records":[{"id":"orders","name":"Orders","primaryAud":"https://api.example.com","defaultApi":true,
		"serviceScopes":[{"service":{"id":"shop","name":"Shop"},"scopes":[{"id":"shop::read","name":"Role:Read"}]}]}]}`
	for range 2 {
		report, err := catalog.Load(ctx, strings.NewReader(file))
		if err != nil {
			panic(err)
		}
		fmt.Println("added", report.Added, "changed", report.Changed, "unchanged", report.Unchanged)
	}
	_, err = catalog.Load(ctx, strings.NewReader(strings.Replace(file, "shop::read", "shop read", 1)))
	fmt.Println(err)
	// Output:
	// added [orders] changed [] unchanged []
	// added [] changed [] unchanged [orders]
	// records[0].serviceScopes[0].scopes[0].id: is no scope token: want 1 to 255 printable ASCII characters without space, '"' and '\' (RFC 6749 section 3.3)
}

func ExampleCatalog_Sync() {
	s := memstore.New()
	defer s.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Program("orders service"))
	_, err = catalog.Add(ctx, resource.Server{
		ID: "orders", Name: "Orders", Audience: "https://api.example.com",
		Services: []resource.Service{{ID: "shop", Name: "Shop", Scopes: []resource.Scope{{ID: "shop::read", Name: "Read"}, {ID: "shop::all", Name: "All"}}}},
	})
	if err != nil {
		panic(err)
	}

	// The service starts and says which roles it has now.
	diff, err := catalog.Sync(ctx, "orders", "Shop", []resource.Scope{
		{ID: "shop::read", Name: "Read orders"},
		{ID: "shop::write", Name: "Change orders"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("added", diff.Added)
	fmt.Println("renamed", diff.Renamed)
	fmt.Println("removed", diff.Removed)
	// Output:
	// added [{shop::write Change orders}]
	// renamed [{shop::read Read Read orders}]
	// removed [{shop::all All}]
}

func ExampleCatalog_SetDefault() {
	s := memstore.New()
	defer s.Close()
	catalog, err := resource.NewCatalog(resource.Config{Store: s})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Program("setup"))
	for _, server := range []resource.Server{
		{ID: "v1", Name: "Version 1", Audience: "https://api.example.com/v1", Default: true},
		{ID: "v2", Name: "Version 2", Audience: "https://api.example.com/v2"},
	} {
		if _, err := catalog.Add(ctx, server); err != nil {
			panic(err)
		}
	}
	if err := catalog.SetDefault(ctx, "v2"); err != nil {
		panic(err)
	}
	server, err := catalog.Default(ctx)
	fmt.Println(server.Name, err)
	// Output:
	// Version 2 <nil>
}
