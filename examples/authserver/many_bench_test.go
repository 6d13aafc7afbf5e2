package main_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
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
// 1000 API clients and for any of -clients in turn: with all of them in the Registry's
// cache, and with none, which is one read of a record. The times are medians, and
// ratio is that of -clients to 1000.
func BenchmarkTokenOfMany(b *testing.B) {
	few, many := fillForTokens(b, 1000), fillForTokens(b, *clients)
	for _, mode := range []struct {
		name   string
		cached bool
	}{{"cached", true}, {"not cached", false}} {
		b.Run(mode.name, func(b *testing.B) {
			of := [2]func() time.Duration{few.timed(b, mode.cached), many.timed(b, mode.cached)}
			reads := [2]int64{few.gets.Load(), many.gets.Load()}
			var took [2][]time.Duration
			for b.Loop() {
				for i := range of {
					took[i] = append(took[i], of[i]())
				}
			}
			var median [2]float64
			for i := range took {
				slices.Sort(took[i])
				median[i] = float64(took[i][len(took[i])/2]) / float64(time.Microsecond)
			}
			b.ReportMetric(0, "ns/op") // which would be of both
			b.ReportMetric(median[0], "µs-of-1000")
			b.ReportMetric(median[1], "µs-of-many")
			b.ReportMetric(median[1]/median[0], "ratio")
			b.ReportMetric(float64(few.gets.Load()-reads[0])/float64(len(took[0])), "reads-of-1000")
			b.ReportMetric(float64(many.gets.Load()-reads[1])/float64(len(took[1])), "reads-of-many")
		})
	}
}

// A filled is a store with API clients.
type filled struct {
	store.Store
	catalog *resource.Catalog
	clients int
	gets    atomic.Int64 // records that were read by their ids
}

func (f *filled) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	f.gets.Add(1)
	return f.Store.Get(ctx, kind, id)
}

// timed returns what says how long a token for any of the clients takes.
func (f *filled) timed(b *testing.B, cached bool) func() time.Duration {
	size := 1 // as good as none
	if cached {
		size = 2 * f.clients
	}
	registry := must(client.NewRegistry(client.Config{Store: f, Resources: f.catalog, CacheSize: size}))(b)
	if cached {
		for i := range f.clients {
			must(registry.Lookup(b.Context(), requestOf(i).ClientID))(b)
		}
	}
	issuer := issuerOf(b, registry, func(c *token.Config) {
		c.SealingKeys, c.EphemeralKeys, c.Log = nil, true, token.LogOff
	})
	b.Cleanup(func() {
		if err := issuer.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return func() time.Duration {
		request := requestOf(rand.IntN(f.clients))
		begin := time.Now()
		if _, err := issuer.Issue(b.Context(), request); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin)
	}
}

// requestOf returns a request that is granted to a client.
func requestOf(i int) token.Request {
	return token.Request{ClientID: fmt.Sprintf("bench%017d", i), ClientSecret: "of all of them, and nobody has chosen it"}
}

// fillForTokens registers n API clients in a new database.
func fillForTokens(b *testing.B, n int) *filled {
	b.Helper()
	f := &filled{Store: postgres(b), clients: n}
	f.catalog = benchmarkCatalog(b, f)
	ctx := audit.WithActor(b.Context(), audit.Program("benchmark"))
	gather := &bulk.Store{Store: f}
	registry := must(client.NewRegistry(client.Config{Store: gather, Resources: f.catalog}))(b)
	for i := range n {
		request := requestOf(i)
		must(registry.Import(ctx, client.Import{
			ID: request.ClientID, HighEntropy: true,
			Spec: client.Spec{
				Name:   fmt.Sprintf("nightly report %09d", i),
				Labels: map[string]string{"owner": fmt.Sprint("team ", i%50)},
				Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}},
			},
			Secrets: []client.ImportedSecret{{Digest: credentials.DigestOf(request.ClientSecret), ExpiresAt: time.Now().AddDate(0, 0, 90)}},
		}))(b)
	}
	if err := gather.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	return f
}
