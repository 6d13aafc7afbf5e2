package client_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// heap returns the bytes in use on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held goes with the second one
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// textOf returns the length of what people and generators wrote in c.
func textOf(c *client.Client) (n int) {
	n = len(c.ID) + len(c.Name) + len(c.Description) + len(c.JWKSURL)
	for key, value := range c.Labels {
		n += len(key) + len(value)
	}
	for _, g := range c.Grants {
		n += len(g.ServerID) + len(g.ScopeID) + len(g.ServiceID) + len(g.Service) + len(g.Scope)
	}
	for _, s := range c.Secrets {
		n += len(s.ID)
	}
	return n
}

// What a client costs that Lookup keeps. The primitive is the text that it has.
func BenchmarkHeapPerCachedClient(b *testing.B) {
	const clients = 20_000
	for _, c := range []struct {
		title  string
		labels map[string]string
		grants []client.Grant
	}{
		{"one grant, one secret", nil, []client.Grant{grant("orders", "shop::read")}},
		{"three grants, one secret", nil, []client.Grant{grant("orders", "shop::read"), grant("orders", "bank::read"), grant("metrics", "node::read")}},
		{"one grant, one secret, one label", map[string]string{"owner": "ops"}, []client.Grant{grant("orders", "shop::read")}},
	} {
		b.Run(c.title, func(b *testing.B) {
			f := newFixture(b)
			ids, text := make([]string, clients), 0
			for i := range ids {
				added := f.add(b, client.Spec{Name: fmt.Sprintf("nightly report %06d", i), Labels: c.labels, Grants: c.grants})
				f.addSecret(b, added.ID, 90*day)
				ids[i], text = added.ID, text+textOf(f.get(b, added.ID))
			}
			for b.Loop() {
				registry, err := client.NewRegistry(client.Config{Store: cloning{f.store}, Resources: f.catalog, Now: f.clock.now})
				require.NoError(b, err)
				before := heap()
				for _, id := range ids {
					if _, err := registry.Lookup(f.ctx, id); err != nil {
						b.Fatal(err)
					}
				}
				perClient := float64(int64(heap())-int64(before)) / clients
				runtime.KeepAlive(registry)
				b.ReportMetric(perClient, "heap-B/client")
				b.ReportMetric(float64(text)/clients, "text-B/client")
				b.ReportMetric(perClient-float64(text)/clients, "beyond-B/client")
			}
		})
	}
}

// cloning is a store that returns strings of its own, as one that reads a disk does.
type cloning struct{ store.Store }

func (s cloning) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	record, err := s.Store.Get(ctx, kind, id)
	record.ID = strings.Clone(record.ID)
	return record, err
}
