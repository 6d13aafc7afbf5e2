package resource_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

func TestNewCatalogRefuses(t *testing.T) {
	_, err := resource.NewCatalog(resource.Config{})
	require.ErrorContains(t, err, "Config.Store is missing")
	_, err = resource.NewCatalog(resource.Config{Store: memstore.New(), Fresh: -1})
	require.ErrorContains(t, err, "Config.Fresh is -1ns")
}

func TestReading(t *testing.T) {
	catalog, _ := newCatalog(t, resource.Config{Now: atNoon})
	servers, err := catalog.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, servers)
	_, err = catalog.Default(t.Context())
	require.ErrorIs(t, err, resource.ErrNoDefault)

	add(t, catalog, orders())
	b, a := plain("b"), plain("a")
	b.Name, a.Name, a.Default = "áb", "ÁA", true
	add(t, catalog, b)
	add(t, catalog, a)

	t.Run("by id", func(t *testing.T) {
		got, err := catalog.Get(t.Context(), "orders")
		require.NoError(t, err)
		require.Equal(t, "Orders", got.Name)
		require.Equal(t, noon, got.CreatedAt)
		require.Equal(t, noon, got.UpdatedAt)
		require.Positive(t, got.Version)
		for _, id := range []string{"", "Orders", "ORDERS", "nobody"} {
			_, err = catalog.Get(t.Context(), id)
			require.ErrorIs(t, err, store.ErrNotFound)
		}
	})
	t.Run("by audience, exactly", func(t *testing.T) {
		got, err := catalog.ByAudience(t.Context(), "https://orders.example.com")
		require.NoError(t, err)
		require.Equal(t, "orders", got.ID)
		for _, audience := range []string{"", "https://orders.example.com/", "HTTPS://orders.example.com", "https://orders.example.co"} {
			_, err = catalog.ByAudience(t.Context(), audience)
			require.ErrorIs(t, err, store.ErrNotFound)
		}
	})
	t.Run("an error does not repeat a megabyte", func(t *testing.T) {
		_, err := catalog.ByAudience(t.Context(), string(make([]byte, 1<<20)))
		require.ErrorIs(t, err, store.ErrNotFound)
		require.Less(t, len(err.Error()), 500)
	})
	t.Run("the default", func(t *testing.T) {
		got, err := catalog.Default(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", got.ID)
	})
	t.Run("all, ordered by folded name", func(t *testing.T) {
		servers, err := catalog.List(t.Context())
		require.NoError(t, err)
		var ids []string
		for _, s := range servers {
			ids = append(ids, s.ID)
		}
		require.Equal(t, []string{"orders", "a", "b"}, ids)
	})
	t.Run("an unchanged server is the same value", func(t *testing.T) {
		one, err := catalog.Get(t.Context(), "orders")
		require.NoError(t, err)
		two, err := catalog.ByAudience(t.Context(), "https://orders.example.com")
		require.NoError(t, err)
		require.Same(t, one, two)
	})
}

func TestServerFindsItsParts(t *testing.T) {
	catalog, _ := newCatalog(t, resource.Config{})
	added := add(t, catalog, orders())
	kept, err := catalog.Get(t.Context(), "orders")
	require.NoError(t, err)
	byHand := orders()
	for name, server := range map[string]*resource.Server{
		"as Add returned it": added, "as Get returned it": kept, "as it was made by hand": &byHand, "as a clone": kept.Clone(),
	} {
		t.Run(name, func(t *testing.T) {
			service, scope, ok := server.Scope("bank::read")
			require.True(t, ok)
			require.Equal(t, "bank", service.ID)
			require.Equal(t, resource.Scope{ID: "bank::read", Name: "Role:Read"}, scope)
			for _, id := range []string{"", "bank", "bank::rea", "bank::READ", "Role:Read"} {
				_, _, ok = server.Scope(id)
				require.False(t, ok, id)
			}
			for _, name := range []string{"bank", "Bank", "BANK"} {
				service, ok = server.Service(name)
				require.True(t, ok)
				require.Equal(t, "bank", service.ID)
			}
			for _, name := range []string{"", "ban", "orders"} {
				_, ok = server.Service(name)
				require.False(t, ok, name)
			}
		})
	}
	t.Run("an id goes before a name", func(t *testing.T) {
		server := orders()
		server.Services[0].Name = "bank"
		service, ok := server.Service("bank")
		require.True(t, ok)
		require.Equal(t, "bank", service.ID)
	})
	t.Run("a clone is changed without the other one", func(t *testing.T) {
		clone := kept.Clone()
		clone.Services[0].Scopes[0].ID = "shop::new"
		clone.Services[1].Name = "Till"
		_, _, ok := clone.Scope("shop::new")
		require.True(t, ok)
		_, _, ok = kept.Scope("shop::new")
		require.False(t, ok)
		require.Equal(t, "Bank", kept.Services[1].Name)
	})
}

func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		here, _ := newCatalog(t, resource.Config{Store: s})
		there, _ := newCatalog(t, resource.Config{Store: s})
		_, err := there.List(t.Context())
		require.NoError(t, err)

		add(t, here, orders())
		_, err = here.Get(t.Context(), "orders")
		require.NoError(t, err, "one's own change is seen at once")

		time.Sleep(time.Second + 1)
		_, err = there.Get(t.Context(), "orders")
		require.NoError(t, err, "another's within a second")

		require.NoError(t, here.Delete(acting(t), "orders"))
		_, err = here.Get(t.Context(), "orders")
		require.ErrorIs(t, err, store.ErrNotFound)
		time.Sleep(time.Second + 1)
		_, err = there.Get(t.Context(), "orders")
		require.ErrorIs(t, err, store.ErrNotFound)
		synctest.Wait()
	})
}

func TestReadingSaysWhatTheStoreSays(t *testing.T) {
	s := memstore.New()
	catalog, _ := newCatalog(t, resource.Config{Store: s})
	require.NoError(t, s.Close())
	for name, err := range map[string]error{
		"Get":        func() error { _, err := catalog.Get(t.Context(), "a"); return err }(),
		"List":       func() error { _, err := catalog.List(t.Context()); return err }(),
		"ByAudience": func() error { _, err := catalog.ByAudience(t.Context(), "a"); return err }(),
		"Default":    func() error { _, err := catalog.Default(t.Context()); return err }(),
		"Add":        func() error { _, err := catalog.Add(acting(t), orders()); return err }(),
	} {
		require.ErrorIs(t, err, store.ErrClosed, name)
		require.NotErrorIs(t, err, store.ErrNotFound, name)
	}
}

func TestABrokenRecordIsNamed(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	_, err := s.Apply(t.Context(), store.Put(store.Record{Kind: resource.Kind, ID: "broken", Data: []byte("{")}))
	require.NoError(t, err)
	_, err = catalog.List(t.Context())
	require.ErrorContains(t, err, `"broken"`)
}

func TestAtMostOneDefaultInEveryState(t *testing.T) {
	const writers = 64
	catalog, s := newCatalog(t, resource.Config{})
	// A second one, as in another process, so that changes do come in between.
	other, _ := newCatalog(t, resource.Config{Store: s})
	for i := range writers {
		add(t, catalog, plain(fmt.Sprintf("s%d", i)))
	}
	require.NoError(t, catalog.SetDefault(acting(t), "s0"))

	ctx, done := context.WithCancel(acting(t))
	var watching sync.WaitGroup
	states := make(map[store.Revision]bool)
	watching.Go(func() {
		for ctx.Err() == nil {
			page, err := s.List(ctx, store.Query{Kind: resource.Kind, Limit: store.MaxLimit})
			if err != nil {
				return
			}
			holders, latest := 0, store.Revision(0)
			for _, r := range page.Records {
				var server resource.Server
				if server.UnmarshalJSON(r.Data) == nil && server.Default {
					holders++
				}
				latest = max(latest, r.Version)
			}
			if holders != 1 {
				t.Errorf("%d defaults at revision %d, want 1", holders, latest)
				return
			}
			states[latest] = true
		}
	})
	var writing sync.WaitGroup
	failed := make(chan error, writers)
	for i := range writers {
		writing.Go(func() {
			c := catalog
			if i%2 == 1 {
				c = other
			}
			failed <- c.SetDefault(acting(t), fmt.Sprintf("s%d", i))
		})
	}
	writing.Wait()
	done()
	watching.Wait()
	close(failed)
	moved := 0
	for err := range failed {
		if err == nil {
			moved++
			continue
		}
		require.ErrorIs(t, err, store.ErrConflict)
	}
	require.Greater(t, moved, writers/2, "who is overtaken tries again")
	require.NotEmpty(t, states)

	holder, err := catalog.Default(t.Context())
	require.NoError(t, err)
	again, err := catalog.Get(t.Context(), holder.ID)
	require.NoError(t, err)
	require.True(t, again.Default)
}

// paged is a store whose pages of a list are of one record, and that lets a function
// change things behind the first.
type paged struct {
	store.Store
	between func()
}

func (p *paged) List(ctx context.Context, q store.Query) (store.Page, error) {
	q.Limit = 1
	page, err := p.Store.List(ctx, q)
	if between := p.between; between != nil {
		p.between = nil
		between()
	}
	return page, err
}

func TestAtMostOneDefaultOverSeveralPages(t *testing.T) {
	s := memstore.New()
	direct, _ := newCatalog(t, resource.Config{Store: s})
	for _, c := range []struct{ name, from, to string }{
		{"it moves to a later page", "a", "b"},
		{"it moves to an earlier page", "b", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, id := range []string{"a", "b"} {
				if _, err := direct.Get(t.Context(), id); err != nil {
					add(t, direct, plain(id))
				}
			}
			require.NoError(t, direct.SetDefault(acting(t), c.from))
			catalog, _ := newCatalog(t, resource.Config{Store: &paged{s, func() {
				require.NoError(t, direct.SetDefault(acting(t), c.to))
			}}})
			servers, err := catalog.List(t.Context())
			require.NoError(t, err)
			require.Len(t, servers, 2)
			require.False(t, servers[0].Default && servers[1].Default)
			if c.from == "a" {
				require.True(t, servers[1].Default, "the later one has it")
			}
		})
	}
}

func BenchmarkByAudience(b *testing.B) {
	s := memstore.New()
	defer s.Close()
	catalog, _ := newCatalog(b, resource.Config{Store: s})
	ctx := audit.WithActor(context.Background(), audit.Program("benchmark"))
	servers := make(map[string]*resource.Server)
	var mu sync.RWMutex
	for i := range 20 {
		server, err := catalog.Add(ctx, plain(fmt.Sprintf("s%d", i)))
		require.NoError(b, err)
		servers[server.Audience] = server
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := catalog.ByAudience(ctx, "https://s7.example.com"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached, in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := catalog.ByAudience(ctx, "https://s7.example.com"); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("raw: a map behind a RWMutex", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mu.RLock()
			server := servers["https://s7.example.com"]
			mu.RUnlock()
			if server == nil {
				b.Fatal()
			}
		}
	})
}

func BenchmarkScope(b *testing.B) {
	s := memstore.New()
	defer s.Close()
	catalog, _ := newCatalog(b, resource.Config{Store: s})
	large := plain("large")
	for i := range 100 {
		id := fmt.Sprintf("s%d", i)
		large.Services = append(large.Services, resource.Service{ID: id, Name: id, Scopes: many(id, 20)})
	}
	server, err := catalog.Add(audit.WithActor(context.Background(), audit.Program("benchmark")), large)
	require.NoError(b, err)
	for name, server := range map[string]*resource.Server{"of a shared server": server, "raw: looked through": server.Clone()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, ok := server.Scope("s50::10"); !ok {
					b.Fatal()
				}
			}
		})
	}
}
