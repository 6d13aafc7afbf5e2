package resource_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

func TestSync(t *testing.T) {
	read, write := resource.Scope{ID: "shop::read", Name: "Role:Read"}, resource.Scope{ID: "shop::write", Name: "Role:Write"}
	diff := func(d resource.Diff) resource.Diff {
		d.ServerID, d.ServiceID = "orders", "shop"
		return d
	}
	for _, c := range []struct {
		name   string
		pushed []resource.Scope
		want   resource.Diff
		scopes []resource.Scope // afterwards
	}{
		{"the same scopes change nothing", []resource.Scope{read, write}, diff(resource.Diff{}), []resource.Scope{read, write}},
		{"nor do they in another order", []resource.Scope{write, read}, diff(resource.Diff{}), []resource.Scope{read, write}},
		{"nor by their names alone", []resource.Scope{{Name: "Role:Write"}, {Name: "Role:Read"}}, diff(resource.Diff{}), []resource.Scope{read, write}},
		{"a new id is added, behind the others", []resource.Scope{{"shop::all", "Role:All"}, read, write},
			diff(resource.Diff{Added: []resource.Scope{{"shop::all", "Role:All"}}}), []resource.Scope{read, write, {"shop::all", "Role:All"}}},
		{"a known id with another name is renamed", []resource.Scope{{"shop::read", "Role:Reader"}, write},
			diff(resource.Diff{Renamed: []resource.Rename{{"shop::read", "Role:Read", "Role:Reader"}}}), []resource.Scope{{"shop::read", "Role:Reader"}, write}},
		{"two ids exchange their names", []resource.Scope{{"shop::read", "Role:Write"}, {"shop::write", "Role:Read"}},
			diff(resource.Diff{Renamed: []resource.Rename{{"shop::read", "Role:Read", "Role:Write"}, {"shop::write", "Role:Write", "Role:Read"}}}),
			[]resource.Scope{{"shop::read", "Role:Write"}, {"shop::write", "Role:Read"}}},
		{"what is not pushed is removed", []resource.Scope{write}, diff(resource.Diff{Removed: []resource.Scope{read}}), []resource.Scope{write}},
		{"nothing pushed removes all", nil, diff(resource.Diff{Removed: []resource.Scope{read, write}}), []resource.Scope{}},
		{"a name under another id is another scope", []resource.Scope{read, {"shop::write2", "Role:Write"}},
			diff(resource.Diff{Added: []resource.Scope{{"shop::write2", "Role:Write"}}, Removed: []resource.Scope{write}}), []resource.Scope{read, {"shop::write2", "Role:Write"}}},
		{"names in NFC are the same", []resource.Scope{read, {"shop::write", "Role:W\u0072ite"}}, diff(resource.Diff{}), []resource.Scope{read, write}},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, s := newCatalog(t, resource.Config{})
			before := add(t, catalog, orders())
			got, err := catalog.Sync(acting(t), "orders", "shop", c.pushed)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			after, err := catalog.Get(t.Context(), "orders")
			require.NoError(t, err)
			require.Equal(t, c.scopes, after.Services[0].Scopes)
			require.Equal(t, before.Services[1], after.Services[1], "other services stay as they are")

			at := revision(t, s)
			require.Equal(t, c.want.Empty(), at == before.Version)
			again, err := catalog.Sync(acting(t), "orders", "SHOP", c.pushed)
			require.NoError(t, err)
			require.True(t, again.Empty())
			require.Equal(t, at, revision(t, s), "the second time nothing is written")
			if c.want.Empty() {
				require.Len(t, events(t, s), 1)
				return
			}
			event := events(t, s)[1]
			require.Equal(t, "resource_server.sync", event.Action)
			require.Equal(t, audit.Subject{Kind: "resource_server", ID: "orders", Name: "Orders"}, event.Subject)
			require.JSONEq(t, `{"service":{"id":"shop","name":"Shop"},"scopes":[{"id":"shop::read","name":"Role:Read"},{"id":"shop::write","name":"Role:Write"}]}`, string(event.Before))
			require.JSONEq(t, toJSON(t, map[string]any{
				"service": map[string]string{"id": "shop", "name": "Shop"},
				"scopes":  jsonScopes(c.scopes),
			}), string(event.After))
		})
	}
}

// jsonScopes returns scopes as they stand in JSON.
func jsonScopes(scopes []resource.Scope) []map[string]string {
	list := []map[string]string{}
	for _, s := range scopes {
		list = append(list, map[string]string{"id": s.ID, "name": s.Name})
	}
	return list
}

func TestSyncGivesIDs(t *testing.T) {
	catalog, _ := newCatalog(t, resource.Config{})
	add(t, catalog, orders())
	first, err := catalog.Sync(acting(t), "orders", "shop", []resource.Scope{{Name: "Role:Read"}, {Name: "Role:New"}, {Name: "role:read"}})
	require.NoError(t, err)
	require.Len(t, first.Added, 2, "names that differ in case are two scopes")
	require.Regexp(t, `^shop::[0-9a-v]{26}$`, first.Added[0].ID)
	require.True(t, resource.ValidScopeToken(first.Added[0].ID))
	require.Equal(t, []resource.Scope{{ID: "shop::write", Name: "Role:Write"}}, first.Removed)

	t.Run("and keeps them by name", func(t *testing.T) {
		diff, err := catalog.Sync(acting(t), "orders", "shop", []resource.Scope{{Name: "Role:New"}, {Name: "Role:Read"}, {Name: "role:read"}})
		require.NoError(t, err)
		require.True(t, diff.Empty())
	})
	t.Run("but not one that is pushed for another name", func(t *testing.T) {
		diff, err := catalog.Sync(acting(t), "orders", "shop", []resource.Scope{{ID: "shop::read", Name: "Role:Reader"}, {Name: "Role:Read"}})
		require.NoError(t, err)
		require.Equal(t, []resource.Rename{{"shop::read", "Role:Read", "Role:Reader"}}, diff.Renamed)
		require.Len(t, diff.Added, 1)
		require.NotEqual(t, "shop::read", diff.Added[0].ID)
	})
	t.Run("and not those of another service", func(t *testing.T) {
		diff, err := catalog.Sync(acting(t), "orders", "bank", []resource.Scope{{Name: "Role:Read"}, {Name: "Role:Reader"}})
		require.NoError(t, err)
		require.Len(t, diff.Added, 1)
		require.Contains(t, diff.Added[0].ID, "bank::")
	})
}

func TestSyncRefuses(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	add(t, catalog, orders())
	at := revision(t, s)
	for _, c := range []struct {
		name, service  string
		scopes         []resource.Scope
		field, problem string
	}{
		{"a scope without name", "bank", []resource.Scope{{"a", "A"}, {"b", ""}}, "scopes[1].name", "is required"},
		{"an id that is no token", "bank", []resource.Scope{{"a b", "A"}}, "scopes[0].id", "is no scope token"},
		{"an id twice", "bank", []resource.Scope{{"a", "A"}, {"a", "B"}}, "scopes[1].id", "is that of serviceScopes[1].scopes[0] too"},
		{"a name twice", "bank", []resource.Scope{{"a", "A"}, {"b", "A"}}, "scopes[1].name", "is that of scope 0 too"},
		{"a name twice without ids", "bank", []resource.Scope{{"", "Role:Read"}, {"", "Role:Read"}}, "scopes[1].name", "is that of scope 0 too"},
		{"an id of another service", "bank", []resource.Scope{{"shop::read", "A"}}, "scopes[0].id", `is that of a scope of service "Shop"`},
		{"an id of a later service", "shop", []resource.Scope{{"a", "A"}, {"bank::read", "B"}}, "scopes[1].id", `is that of a scope of service "Bank"`},
		{"too many scopes", "bank", many("b", 9_999), "serviceScopes", "has 10001 scopes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			diff, err := catalog.Sync(acting(t), "orders", c.service, c.scopes)
			requireField(t, err, c.field, c.problem)
			require.Equal(t, resource.Diff{}, diff)
		})
	}
	for _, c := range [][2]string{{"nobody", "shop"}, {"orders", "nobody"}, {"orders", ""}, {"", "shop"}} {
		_, err := catalog.Sync(acting(t), c[0], c[1], nil)
		require.ErrorIs(t, err, store.ErrNotFound, c)
	}
	require.Equal(t, at, revision(t, s))
}

func TestServicesSyncAtTheSameTime(t *testing.T) {
	const services = 32
	catalog, _ := newCatalog(t, resource.Config{})
	server := plain("busy")
	for i := range services {
		server.Services = append(server.Services, resource.Service{ID: fmt.Sprintf("s%d", i), Name: fmt.Sprintf("S%d", i)})
	}
	add(t, catalog, server)
	var wg sync.WaitGroup
	failed := make(chan error, services)
	for i := range services {
		wg.Go(func() {
			_, err := catalog.Sync(acting(t), "busy", fmt.Sprintf("s%d", i), []resource.Scope{{Name: "Role:Read"}})
			failed <- err
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	got, err := catalog.Get(t.Context(), "busy")
	require.NoError(t, err)
	for _, service := range got.Services {
		require.Len(t, service.Scopes, 1, "no service undoes what another one did")
	}
}

func TestALargeSyncIsToldInShort(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	add(t, catalog, orders())
	scopes := many("shop", 2_000)
	for i := range scopes {
		scopes[i].Name += strings.Repeat("x", 200)
	}
	_, err := catalog.Sync(acting(t), "orders", "shop", scopes)
	require.NoError(t, err)
	require.Contains(t, string(events(t, s)[1].After), `{"omitted":{"bytes":`)
}
