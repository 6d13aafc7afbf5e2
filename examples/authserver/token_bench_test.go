package main_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// BenchmarkTokenBySecret is a token request by secret on SQLite and on PostgreSQL,
// with the client in the Registry's cache, beside the same on memstore: without a
// log of issued tokens, and with the default one, LogBestEffort. A single caller
// waits for neither; BenchmarkTokenLog has LogDurable.
func BenchmarkTokenBySecret(b *testing.B) {
	for _, mode := range []struct {
		name string
		log  token.LogMode
	}{{"without a log", token.LogOff}, {"logged by default", token.LogBestEffort}} {
		b.Run(mode.name+"/memstore", func(b *testing.B) {
			s := memstore.New()
			defer s.Close()
			benchmarkTokenBySecret(b, s, mode.log)
		})
		b.Run(mode.name+"/sqlite", func(b *testing.B) {
			db := must(sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), sqlitestore.Config{}))(b)
			defer db.Close()
			benchmarkTokenBySecret(b, must(db.Tenant(b.Context(), "bench"))(b), mode.log)
		})
		b.Run(mode.name+"/postgresql", func(b *testing.B) { benchmarkTokenBySecret(b, postgres(b), mode.log) })
	}
}

// postgres opens a tenant of a new database of PostgreSQL.
func postgres(b *testing.B) store.Store {
	b.Helper()
	db := must(pgstore.Open(b.Context(), pgtest.Database(b), pgstore.Config{}))(b)
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return must(db.Tenant(b.Context(), "bench"))(b)
}

// benchmarkIssuer returns an Issuer on s, and a request that it grants.
func benchmarkIssuer(b *testing.B, s store.Store, configure ...func(*token.Config)) (*token.Issuer, token.Request) {
	b.Helper()
	ctx := audit.WithActor(b.Context(), audit.Program("benchmark"))
	registry := must(client.NewRegistry(client.Config{Store: s, Resources: benchmarkCatalog(b, s)}))(b)
	c := must(registry.Add(ctx, client.Spec{Name: "report", Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}}}))(b)
	secret, _, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
	if err != nil {
		b.Fatal(err)
	}
	return issuerOf(b, registry, configure...), token.Request{ClientID: c.ID, ClientSecret: secret.Reveal()}
}

func benchmarkCatalog(b *testing.B, s store.Store) *resource.Catalog {
	b.Helper()
	catalog := must(resource.NewCatalog(resource.Config{Store: s}))(b)
	must(catalog.Add(audit.WithActor(b.Context(), audit.Program("benchmark")), resource.Server{
		ID: "shop", Name: "Shop", Audience: "https://api.shop.example", Default: true,
		Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Reader"}}}},
	}))(b)
	return catalog
}

func issuerOf(b *testing.B, registry *client.Registry, configure ...func(*token.Config)) *token.Issuer {
	b.Helper()
	cfg := token.Config{
		Issuer: "https://auth.example.com", Clients: registry, Logger: slog.New(slog.DiscardHandler),
		SealingKeys: []token.SealingKey{must(token.NewSealingKey(rand.Reader))(b)},
	}
	for _, f := range configure {
		f(&cfg)
	}
	return must(token.NewIssuer(b.Context(), cfg))(b)
}

func benchmarkTokenBySecret(b *testing.B, s store.Store, mode token.LogMode) {
	issuer, request := benchmarkIssuer(b, s, func(c *token.Config) { c.Log = mode })
	defer func() {
		if err := issuer.Close(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {request.ClientID}, "client_secret": {request.ClientSecret}}.Encode()
	ask := func() {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/v1/token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		issuer.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
	ask() // the caches are filled
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
