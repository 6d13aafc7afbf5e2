package client_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// The raw primitive is a read of a map, as the cache must do at least one.
func BenchmarkLookup(b *testing.B) {
	f := newFixture(b)
	ids := make([]string, 1000)
	raw := map[string]*client.Client{}
	for i := range ids {
		c := f.add(b, client.Spec{Name: fmt.Sprint("client ", i), Grants: []client.Grant{grant("orders", "shop::read")}})
		f.addSecret(b, c.ID, 90*day)
		ids[i], raw[c.ID] = c.ID, c
		_, err := f.Lookup(f.ctx, c.ID)
		require.NoError(b, err)
	}
	b.Run("raw map", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if raw[ids[i%len(ids)]] == nil {
				b.Fatal("not found")
			}
		}
	})
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := f.Lookup(f.ctx, ids[i%len(ids)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached, in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, err := f.Lookup(f.ctx, ids[i%len(ids)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Lookup(f.ctx, "nobody"); err == nil {
				b.Fatal("found")
			}
		}
	})
	b.Run("not cached, by Get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := f.Get(f.ctx, ids[i%len(ids)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The raw primitive is one hash and one comparison.
func BenchmarkCheckSecret(b *testing.B) {
	value := strings.Repeat("x", 62)
	c := secretsOf("other", value)
	kept := sha256.Sum256([]byte(value))
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		presented := []byte(value)
		for b.Loop() {
			sum := sha256.Sum256(presented)
			if subtle.ConstantTimeCompare(sum[:], kept[:]) != 1 {
				b.Fatal("not equal")
			}
		}
	})
	for title, presented := range map[string]string{"right": value, "wrong": strings.Repeat("y", 62), "of 1 MiB": strings.Repeat("x", 1<<20)} {
		b.Run(title, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.CheckSecret(presented, noon)
			}
		})
	}
	b.Run("of nobody", func(b *testing.B) {
		b.ReportAllocs()
		nobody := new(client.Client)
		for b.Loop() {
			nobody.CheckSecret(value, noon)
		}
	})
}

// The raw primitive is the Apply of the same records.
func BenchmarkAdd(b *testing.B) {
	labels := map[string]string{"owner": "ops"}
	grants := []client.Grant{grant("orders", "shop::read")}
	b.Run("raw Apply", func(b *testing.B) {
		f := newFixture(b)
		var changes []store.Change
		f.store.beforeApply = func(_ context.Context, made []store.Change) error { changes = append(changes, made...); return nil }
		f.add(b, client.Spec{Name: "nightly report", Labels: labels, Grants: grants})
		s := memstore.New()
		var n atomic.Int64
		b.ReportAllocs()
		for b.Loop() {
			suffix := fmt.Sprint(n.Add(1))
			again := make([]store.Change, len(changes))
			copy(again, changes)
			for i := range again {
				again[i].Record.ID += suffix
				if names := again[i].Record.Names; len(names) > 0 {
					again[i].Record.Names = []string{names[0] + suffix}
				}
			}
			if _, err := s.Apply(f.ctx, again...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Add", func(b *testing.B) {
		f := newFixture(b)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f.add(b, client.Spec{Name: fmt.Sprint("nightly report ", i), Labels: labels, Grants: grants})
		}
	})
	b.Run("AddSecret", func(b *testing.B) {
		f := newFixture(b)
		c := f.add(b, client.Spec{Name: "nightly report", Labels: labels, Grants: grants})
		b.ReportAllocs()
		for b.Loop() {
			f.addSecret(b, c.ID, 90*day)
		}
	})
}

// The raw primitive is the List of the store.
func BenchmarkList(b *testing.B) {
	f := newFixture(b)
	for i := range 10_000 {
		f.add(b, client.Spec{Name: fmt.Sprintf("client %05d", i), Labels: map[string]string{"owner": fmt.Sprint(i % 10)}})
	}
	b.Run("raw page of 100", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if page, err := f.store.List(f.ctx, store.Query{Kind: client.Kind, Limit: 100}); err != nil || len(page.Records) != 100 {
				b.Fatal(err)
			}
		}
	})
	for title, q := range map[string]client.Query{
		"page of 100":                     {Limit: 100},
		"page of 100 of a label, counted": {Limit: 100, Labels: map[string]string{"owner": "7"}, Count: true},
		"page of 100 by a search":         {Limit: 100, Search: "T 05"},
	} {
		b.Run(title, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if page, err := f.List(f.ctx, q); err != nil || len(page.Clients) != 100 {
					b.Fatal(err)
				}
			}
		})
	}
}
