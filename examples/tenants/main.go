// Tenants is two authorities behind one server, their data in one file: what one
// of them knows and issues means nothing to the other.
//
//	go run ./examples/tenants
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/token"
)

// A tenant is an Issuer, and here also a client that it knows.
type tenant struct {
	name   string
	issuer *token.Issuer
	caller clientcredentials.Config
}

// api is the audience of the same service, which each tenant has in its catalog.
const api = "https://api.example.com"

// open puts together what belongs to a tenant. Nothing but the Store that it
// begins with says which one that is.
func open(ctx context.Context, db *sqlitestore.DB, name, issuerURL string, key token.SealingKey) (t tenant, err error) {
	st, err := db.Tenant(ctx, name)
	if err != nil {
		return t, err
	}
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	if err != nil {
		return t, err
	}
	clients, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	if err != nil {
		return t, err
	}
	issuer, err := token.NewIssuer(ctx, token.Config{
		Issuer: issuerURL, Clients: clients, Logger: slog.New(slog.DiscardHandler),
		SealingKeys: []token.SealingKey{key},
	})
	if err != nil {
		return t, err
	}

	ctx = audit.WithActor(ctx, audit.Program("tenants"))
	reader := resource.Scope{ID: "orders.read", Name: "Reader"}
	if _, err := catalog.Add(ctx, resource.Server{
		ID: "shop", Name: "Shop", Audience: api, Default: true,
		Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{reader}}},
	}); err != nil {
		return t, err
	}
	c, err := clients.Add(ctx, client.Spec{Name: "nightly report", Grants: []client.Grant{{ServerID: "shop", ScopeID: reader.ID}}})
	if err != nil {
		return t, err
	}
	secret, _, err := clients.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	return tenant{name, issuer, clientcredentials.Config{
		ClientID: c.ID, ClientSecret: secret.Reveal(), TokenURL: issuerURL + "/oauth2/v1/token",
	}}, err
}

// run opens two tenants and tries everything of the one at the other.
func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "clientele-tenants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sqlitestore.Open(ctx, filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	if err != nil {
		return err
	}
	defer db.Close()
	key, err := token.NewSealingKey(rand.Reader)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux() // one server for both, told apart by path
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()

	var tenants []tenant
	for _, name := range []string{"acme", "globex"} {
		t, err := open(ctx, db, name, "http://"+listener.Addr().String()+"/"+name, key)
		if err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
		t.issuer.Mount(mux)
		tenants = append(tenants, t)
	}
	go server.Serve(listener)

	for _, from := range tenants {
		got, err := from.caller.Token(ctx)
		if err != nil {
			return err
		}
		for _, at := range tenants {
			stranger := from.caller
			stranger.TokenURL = at.caller.TokenURL
			_, refused := stranger.Token(ctx)
			v, err := at.issuer.Verifier(api)
			if err != nil {
				return err
			}
			_, invalid := v.Verify(ctx, got.AccessToken)
			fmt.Fprintf(out, "from %-6s to %-6s: its client gets a token: %-5t its token is good: %t\n", from.name, at.name, refused == nil, invalid == nil)
			if home := from.name == at.name; (refused == nil) != home || (invalid == nil) != home {
				return errors.Join(fmt.Errorf("from %s to %s it is not as it should be", from.name, at.name), refused, invalid)
			}
		}
	}
	return nil
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tenants:", err)
		os.Exit(1)
	}
}
