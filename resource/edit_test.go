package resource_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

func TestAdd(t *testing.T) {
	t.Run("generates the ids that are missing", func(t *testing.T) {
		catalog, _ := newCatalog(t, resource.Config{})
		server := orders()
		server.ID, server.Services[0].ID, server.Services[0].Scopes[1].ID = "", "", ""
		got := add(t, catalog, server)
		require.Regexp(t, `^[0-9a-v]{26}$`, got.ID)
		require.Regexp(t, `^[0-9a-v]{26}$`, got.Services[0].ID)
		require.Regexp(t, `^`+got.Services[0].ID+`::[0-9a-v]{26}$`, got.Services[0].Scopes[1].ID)
		require.Equal(t, "shop::read", got.Services[0].Scopes[0].ID)
		require.Empty(t, server.ID, "what was handed in is not touched")
		require.Empty(t, server.Services[0].Scopes[1].ID)
	})
	t.Run("sets times and version itself", func(t *testing.T) {
		catalog, s := newCatalog(t, resource.Config{Now: func() time.Time { return noon.Add(1999) }})
		server := orders()
		server.CreatedAt, server.UpdatedAt, server.Version = noon.AddDate(-9, 0, 0), noon.AddDate(-9, 0, 0), 77
		got := add(t, catalog, server)
		require.Equal(t, noon.Add(time.Microsecond), got.CreatedAt)
		require.Equal(t, got.CreatedAt, got.UpdatedAt)
		require.Equal(t, revision(t, s), got.Version)
	})
	t.Run("writes its event", func(t *testing.T) {
		catalog, s := newCatalog(t, resource.Config{Now: atNoon})
		got := add(t, catalog, orders())
		events := events(t, s)
		require.Len(t, events, 1)
		require.Equal(t, "resource_server.add", events[0].Action)
		require.Equal(t, audit.Program(t.Name()), events[0].Actor)
		require.Equal(t, audit.Subject{Kind: "resource_server", ID: "orders", Name: "Orders"}, events[0].Subject)
		require.Equal(t, noon, events[0].Time)
		require.Nil(t, events[0].Before)
		require.JSONEq(t, toJSON(t, got), string(events[0].After))
	})
	t.Run("fails where there is no randomness", func(t *testing.T) {
		for _, change := range []func(*resource.Server){
			func(s *resource.Server) { s.ID = "" },
			func(s *resource.Server) { s.Services[0].ID = "" },
			func(s *resource.Server) { s.Services[0].Scopes[0].ID = "" },
			func(*resource.Server) {}, // the event needs some
		} {
			catalog, _ := newCatalog(t, resource.Config{Rand: iotest.ErrReader(errors.New("dry"))})
			server := orders()
			change(&server)
			_, err := catalog.Add(acting(t), server)
			require.ErrorContains(t, err, "dry")
		}
	})
	t.Run("streams its event once it is done, and not if it failed", func(t *testing.T) {
		var out bytes.Buffer
		s := &hooked{Store: memstore.New()}
		log, err := audit.NewLog(audit.Config{Store: s, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		require.NoError(t, err)
		catalog, _ := newCatalog(t, resource.Config{Store: s, Audit: log})
		s.before = func() error { return errors.New("away") }
		_, err = catalog.Add(acting(t), orders())
		require.ErrorContains(t, err, "away")
		require.Empty(t, out.String())
		s.before = nil
		add(t, catalog, orders())
		require.Equal(t, 1, strings.Count(out.String(), "msg=audit"))
		require.Contains(t, out.String(), "action=resource_server.add")
	})
	t.Run("uses the log that it was given", func(t *testing.T) {
		s := memstore.New()
		log, err := audit.NewLog(audit.Config{Store: s, Retention: audit.Retention{Events: time.Hour}, Now: func() time.Time { return noon }})
		require.NoError(t, err)
		catalog, _ := newCatalog(t, resource.Config{Store: s, Audit: log})
		add(t, catalog, orders())
		swept, err := s.Sweep(t.Context(), noon.Add(2*time.Hour), 0)
		require.NoError(t, err)
		require.Equal(t, 1, swept)
	})
}

func TestEdit(t *testing.T) {
	setup := func(t *testing.T) (*resource.Catalog, store.Store, *resource.Server) {
		catalog, s := newCatalog(t, resource.Config{})
		return catalog, s, add(t, catalog, orders())
	}
	t.Run("saves what was changed, and its event", func(t *testing.T) {
		catalog, s, before := setup(t)
		got, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			server.Name = "Purchases"
			server.Services = server.Services[:1]
			server.CreatedAt, server.Version = time.Time{}, 0
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "Purchases", got.Name)
		require.Equal(t, before.CreatedAt, got.CreatedAt)
		require.True(t, got.UpdatedAt.After(before.UpdatedAt))
		require.Greater(t, got.Version, before.Version)
		require.Equal(t, "Orders", before.Name, "what was read before stays as it was")
		require.Len(t, before.Services, 2)

		kept, err := catalog.Get(t.Context(), "orders")
		require.NoError(t, err)
		require.Equal(t, got, kept)
		event := events(t, s)[1]
		require.Equal(t, "resource_server.edit", event.Action)
		require.JSONEq(t, toJSON(t, before), string(event.Before))
		require.JSONEq(t, toJSON(t, got), string(event.After))

		add(t, catalog, resource.Server{ID: "new", Name: "Orders", Audience: "urn:x:y"}) // the name is free again
	})
	t.Run("saves nothing if nothing was changed", func(t *testing.T) {
		catalog, s, before := setup(t)
		got, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			server.Services[0].Scopes[0].ID = "" // is kept by its name
			server.Services[1].ID = ""
			server.UpdatedAt = time.Time{}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, toJSON(t, before), toJSON(t, got))
		require.Equal(t, before.Version, got.Version)
		require.Equal(t, before.UpdatedAt, got.UpdatedAt)
		require.Len(t, events(t, s), 1)
		require.Equal(t, before.Version, revision(t, s))
	})
	t.Run("saves nothing if the caller gives up", func(t *testing.T) {
		catalog, s, before := setup(t)
		enough := errors.New("enough")
		_, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			server.Name = "x"
			return enough
		})
		require.Equal(t, enough, err)
		require.Equal(t, before.Version, revision(t, s))
	})
	t.Run("does not take an error of the caller for one of the store", func(t *testing.T) {
		catalog, _, _ := setup(t)
		calls := 0
		_, err := catalog.Edit(acting(t), "orders", func(*resource.Server) error {
			calls++
			return &store.ChangeError{Err: store.ErrConflict}
		})
		require.ErrorIs(t, err, store.ErrConflict)
		require.Equal(t, 1, calls)
	})
	t.Run("keeps nothing that the caller can still change", func(t *testing.T) {
		catalog, _, _ := setup(t)
		var mine *resource.Server
		got, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			server.Name, mine = "Mine", server
			return nil
		})
		require.NoError(t, err)
		mine.Services[0].Name = "changed behind"
		require.Equal(t, "Shop", got.Services[0].Name)
	})
	t.Run("keeps the id of a service by its name, unless it is given to another", func(t *testing.T) {
		catalog, _, _ := setup(t)
		got, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			server.Services = []resource.Service{{Name: "BANK"}, {Name: "Shop"}, {ID: "shop", Name: "Till"}}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "bank", got.Services[0].ID)
		require.Regexp(t, `^[0-9a-v]{26}$`, got.Services[1].ID)
		require.Equal(t, "shop", got.Services[2].ID)

		_, err = catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			server.Services = []resource.Service{{Name: "Bank"}, {Name: "bank"}}
			return nil
		})
		requireField(t, err, "serviceScopes[1].service.name", "is that of service 0 too")
	})
	t.Run("takes a scope from one service to another", func(t *testing.T) {
		catalog, _, _ := setup(t)
		got, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error {
			moved := server.Services[0].Scopes[1]
			server.Services[0].Scopes = server.Services[0].Scopes[:1]
			server.Services[1].Scopes = append(server.Services[1].Scopes, moved)
			return nil
		})
		require.NoError(t, err)
		service, _, ok := got.Scope("shop::write")
		require.True(t, ok)
		require.Equal(t, "bank", service.ID)
	})
	t.Run("refuses", func(t *testing.T) {
		catalog, s, before := setup(t)
		_, err := catalog.Edit(acting(t), "orders", func(server *resource.Server) error { server.ID = "x"; return nil })
		requireField(t, err, "id", "cannot be changed")
		_, err = catalog.Edit(acting(t), "orders", func(server *resource.Server) error { server.Name = ""; return nil })
		requireField(t, err, "name", "is required")
		_, err = catalog.Edit(acting(t), "nobody", func(*resource.Server) error { panic("not called") })
		require.ErrorIs(t, err, store.ErrNotFound)
		require.Equal(t, before.Version, revision(t, s))
	})
}

func TestDelete(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	before := add(t, catalog, orders())
	require.NoError(t, catalog.Delete(acting(t), "orders"))
	_, err := catalog.Get(t.Context(), "orders")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, catalog.Delete(acting(t), "orders"), store.ErrNotFound)

	events := events(t, s)
	require.Len(t, events, 2)
	require.Equal(t, "resource_server.delete", events[1].Action)
	require.Equal(t, "Orders", events[1].Subject.Name)
	require.JSONEq(t, toJSON(t, before), string(events[1].Before))
	require.Nil(t, events[1].After)

	add(t, catalog, orders()) // nothing of it is in the way
}

func TestSetDefault(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	add(t, catalog, plain("a"))
	add(t, catalog, plain("b"))
	require.ErrorIs(t, catalog.SetDefault(acting(t), "nobody"), store.ErrNotFound)

	require.NoError(t, catalog.SetDefault(acting(t), "a"))
	require.Equal(t, "a", defaultID(t, catalog))
	at := revision(t, s)
	require.NoError(t, catalog.SetDefault(acting(t), "a"))
	require.Equal(t, at, revision(t, s), "nothing to do, nothing written")

	require.NoError(t, catalog.SetDefault(acting(t), "b"))
	require.Equal(t, "b", defaultID(t, catalog))
	feed, err := s.Changes(t.Context(), at, 0, 0)
	require.NoError(t, err)
	require.Len(t, feed.Changed, 2)
	require.Equal(t, feed.Changed[0].Revision, feed.Changed[1].Revision, "both in one Apply")

	told := map[string]string{}
	for _, e := range events(t, s)[3:] {
		require.Equal(t, "resource_server.default", e.Action)
		told[e.Subject.ID] = fmt.Sprint(strings.Contains(string(e.Before), `"defaultApi":true`), strings.Contains(string(e.After), `"defaultApi":true`))
	}
	require.Equal(t, map[string]string{"a": "true false", "b": "false true"}, told)

	_, err = catalog.Edit(acting(t), "a", func(server *resource.Server) error { server.Default = true; return nil })
	requireField(t, err, "defaultApi", `resource server b ("Server b") is the default already; move it with SetDefault`)

	_, err = catalog.Edit(acting(t), "b", func(server *resource.Server) error { server.Default = false; return nil })
	require.NoError(t, err)
	_, err = catalog.Default(t.Context())
	require.ErrorIs(t, err, resource.ErrNoDefault)
}

func defaultID(t *testing.T, catalog *resource.Catalog) string {
	t.Helper()
	server, err := catalog.Default(t.Context())
	require.NoError(t, err)
	return server.ID
}
