package resource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// acting returns the context of somebody who may change things.
func acting(t testing.TB) context.Context {
	return audit.WithActor(t.Context(), audit.Program(t.Name()))
}

// atNoon is a clock that stands.
func atNoon() time.Time { return noon }

// ticking returns a clock that is a second later whenever it is read, so that
// events have an order.
func ticking() func() time.Time {
	var seconds atomic.Int64
	return func() time.Time { return noon.Add(time.Duration(seconds.Add(1)) * time.Second) }
}

// newCatalog returns a Catalog, with a ticking clock if cfg has none, and its store.
func newCatalog(t testing.TB, cfg resource.Config) (*resource.Catalog, store.Store) {
	t.Helper()
	if cfg.Store == nil {
		s := memstore.New()
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		cfg.Store = s
	}
	if cfg.Now == nil {
		cfg.Now = ticking()
	}
	c, err := resource.NewCatalog(cfg)
	require.NoError(t, err)
	return c, cfg.Store
}

// orders returns a sound server with two services.
func orders() resource.Server {
	return resource.Server{
		ID: "orders", Name: "Orders", DisplayName: "The Orders", Description: "Line one\n\tline two",
		Audience: "https://orders.example.com",
		Services: []resource.Service{
			{ID: "shop", Name: "Shop", Scopes: []resource.Scope{{"shop::read", "Role:Read"}, {"shop::write", "Role:Write"}}},
			{ID: "bank", Name: "Bank", Scopes: []resource.Scope{{"bank::read", "Role:Read"}}},
		},
	}
}

// plain returns a sound server without services.
func plain(id string) resource.Server {
	return resource.Server{ID: id, Name: "Server " + id, Audience: "https://" + id + ".example.com"}
}

func add(t testing.TB, c *resource.Catalog, s resource.Server) *resource.Server {
	t.Helper()
	added, err := c.Add(acting(t), s)
	require.NoError(t, err)
	return added
}

// requireField tests that err is about that field, and says so.
func requireField(t testing.TB, err error, field, problem string) {
	t.Helper()
	var f *resource.FieldError
	require.ErrorAs(t, err, &f)
	require.Equal(t, field, f.Field)
	require.Contains(t, f.Problem, problem)
	require.ErrorContains(t, err, field+": "+f.Problem)
}

// events returns all events, the oldest first.
func events(t testing.TB, s store.Store) []audit.Event {
	t.Helper()
	log, err := audit.NewLog(audit.Config{Store: s})
	require.NoError(t, err)
	page, err := log.List(t.Context(), audit.Filter{OldestFirst: true, Limit: store.MaxLimit})
	require.NoError(t, err)
	return page.Events
}

// revision returns the revision that the store is at.
func revision(t testing.TB, s store.Store) store.Revision {
	t.Helper()
	feed, err := s.Changes(t.Context(), store.Latest, 0, 0)
	require.NoError(t, err)
	return feed.Revision
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

// hooked is a store that calls a function before each Apply, which may change
// things or make it fail.
type hooked struct {
	store.Store
	before func() error
}

func (h *hooked) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if h.before != nil {
		if err := h.before(); err != nil {
			return 0, err
		}
	}
	return h.Store.Apply(ctx, changes...)
}

// many returns n scopes of the service with that id.
func many(service string, n int) []resource.Scope {
	scopes := make([]resource.Scope, n)
	for i := range scopes {
		scopes[i] = resource.Scope{ID: fmt.Sprintf("%s::%d", service, i), Name: fmt.Sprintf("Role %d", i)}
	}
	return scopes
}
