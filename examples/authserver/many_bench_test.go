package main_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/examples/internal/bulk"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

var clients = flag.Int("clients", 10_000, "how `many` API clients there are in BenchmarkTokenOfMany")

// BenchmarkTokenOfMany is a token by secret on PostgreSQL, without a log, for any of
// 1000 API clients and for any of -clients: with all of them in the Registry's cache,
// and with none, which is one read of a record. That read stands beside it.
func BenchmarkTokenOfMany(b *testing.B) {
	for _, n := range []int{1000, *clients} {
		b.Run(fmt.Sprintf("%d clients", n), func(b *testing.B) {
			s := &counting{Store: postgres(b)}
			catalog := benchmarkCatalog(b, s)
			request := fillForTokens(b, s, catalog, n)
			b.Run("cached", func(b *testing.B) {
				registry := must(client.NewRegistry(client.Config{Store: s, Resources: catalog, CacheSize: 2 * n}))(b)
				for i := range n {
					must(registry.Lookup(b.Context(), request(i).ClientID))(b)
				}
				benchmarkTokenOfMany(b, s, registry, func() token.Request { return request(rand.IntN(n)) })
			})
			b.Run("not cached", func(b *testing.B) {
				registry := must(client.NewRegistry(client.Config{Store: s, Resources: catalog, CacheSize: 1}))(b)
				benchmarkTokenOfMany(b, s, registry, func() token.Request { return request(rand.IntN(n)) })
			})
			b.Run("the read alone", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					must(s.Get(b.Context(), client.Kind, request(rand.IntN(n)).ClientID))(b)
				}
			})
		})
	}
}

func benchmarkTokenOfMany(b *testing.B, s *counting, registry *client.Registry, request func() token.Request) {
	issuer := issuerOf(b, registry, func(c *token.Config) {
		c.SealingKeys, c.EphemeralKeys, c.Log = nil, true, token.LogOff
	})
	before := s.gets.Load()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := issuer.Issue(b.Context(), request()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.gets.Load()-before)/float64(b.N), "reads/token")
	if err := issuer.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// fillForTokens registers n API clients, and returns a request that is granted to
// each.
func fillForTokens(b *testing.B, s store.Store, catalog *resource.Catalog, n int) func(i int) token.Request {
	b.Helper()
	const secret = "of all of them, and nobody has chosen it"
	request := func(i int) token.Request {
		return token.Request{ClientID: fmt.Sprintf("bench%017d", i), ClientSecret: secret}
	}
	ctx := audit.WithActor(b.Context(), audit.Program("benchmark"))
	gather := &bulk.Store{Store: s}
	registry := must(client.NewRegistry(client.Config{Store: gather, Resources: catalog}))(b)
	for i := range n {
		must(registry.Import(ctx, client.Import{
			ID: request(i).ClientID, HighEntropy: true,
			Spec: client.Spec{
				Name:   fmt.Sprintf("nightly report %09d", i),
				Labels: map[string]string{"owner": fmt.Sprint("team ", i%50)},
				Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}},
			},
			Secrets: []client.ImportedSecret{{Digest: credentials.DigestOf(secret), ExpiresAt: time.Now().AddDate(0, 0, 90)}},
		}))(b)
	}
	if err := gather.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	return request
}

// counting counts the records that are read by their ids.
type counting struct {
	store.Store
	gets atomic.Int64
}

func (c *counting) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, kind, id)
}
