package client_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
)

func grant(server, scope string) client.Grant {
	return client.Grant{ServerID: server, ScopeID: scope}
}

// granted returns the ids of the scopes that the client has at a server now.
func (f *fixture) granted(t testing.TB, id, server string) []string {
	t.Helper()
	s, err := f.catalog.Get(f.ctx, server)
	require.NoError(t, err)
	ids := []string{}
	for _, scope := range f.get(t, id).GrantsAt(s) {
		ids = append(ids, scope.ID)
	}
	return ids
}

// sync makes scopes the scopes of the shop.
func (f *fixture) sync(t testing.TB, scopes ...resource.Scope) resource.Diff {
	t.Helper()
	diff, err := f.catalog.Sync(f.ctx, "orders", "shop", scopes)
	require.NoError(t, err)
	return diff
}

func TestGrantsAreCompleted(t *testing.T) {
	f := newFixture(t)
	given := []client.Grant{
		grant("orders", "bank::read"),
		{ServerID: "orders", ScopeID: "shop::write", ServiceID: "made", Service: "up", Scope: "entirely"},
		grant("metrics", "node::read"),
	}
	asGiven := append([]client.Grant(nil), given...)
	c := f.add(t, client.Spec{Name: "nightly", Grants: given})
	require.Equal(t, []client.Grant{
		{"orders", "bank::read", "bank", "Bank", "Role:Read"},
		{"orders", "shop::write", "shop", "Shop", "Role:Write"},
		{"metrics", "node::read", "node", "Node", "Role:Read"},
	}, c.Grants)
	require.Equal(t, asGiven, given, "the caller's slice was written to")
	require.Equal(t, c, f.get(t, c.ID))
	require.Equal(t, []string{"bank::read", "shop::write"}, f.granted(t, c.ID, "orders"))
	require.Equal(t, []string{"node::read"}, f.granted(t, c.ID, "metrics"))
}

func TestGrantsThatAreRefused(t *testing.T) {
	cases := []struct {
		title          string
		grants         []client.Grant
		field, message string
	}{
		{"an unknown resource server", []client.Grant{grant("nowhere", "shop::read")}, "Grants[0].ServerID", `names the resource server "nowhere", which does not exist`},
		{"no resource server", []client.Grant{grant("", "shop::read")}, "Grants[0].ServerID", `names the resource server "", which does not exist`},
		{"an unknown scope", []client.Grant{grant("orders", "shop::read"), grant("orders", "bank::all")}, "Grants[1].ScopeID", `names the scope "bank::all", which the resource server "Orders" does not have`},
		{"no scope", []client.Grant{grant("orders", "")}, "Grants[0].ScopeID", `names the scope "", which the resource server "Orders" does not have`},
		{"a scope of another resource server", []client.Grant{grant("orders", "node::read")}, "Grants[0].ScopeID", `names the scope "node::read", which the resource server "Orders" does not have`},
		{"a scope in another case", []client.Grant{grant("orders", "Shop::Read")}, "Grants[0].ScopeID", `names the scope "Shop::Read"`},
		{"the name of a scope", []client.Grant{grant("orders", "Role:Read")}, "Grants[0].ScopeID", `names the scope "Role:Read"`},
		{"a second scope of a service", []client.Grant{grant("orders", "bank::read"), grant("orders", "shop::read"), grant("orders", "shop::write")}, "Grants[2].ScopeID", `is a second scope ("Role:Write" beside "Role:Read") of the service "Shop"; choose one for each service`},
		{"a scope twice", []client.Grant{grant("orders", "shop::read"), grant("orders", "shop::read")}, "Grants[1].ScopeID", `of the service "Shop"; choose one`},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			kept := f.add(t, client.Spec{Name: "kept", Grants: []client.Grant{grant("metrics", "node::read")}})
			f.requireUnchanged(t, func() {
				_, err := f.Add(f.ctx, client.Spec{Name: "nightly", Grants: c.grants})
				requireProblem(t, err, c.field, c.message)
				_, err = f.Edit(f.ctx, kept.ID, func(e *client.Client) error { e.Grants = c.grants; return nil })
				requireProblem(t, err, c.field, c.message)
			})
		})
	}
}

func TestUpTo200Grants(t *testing.T) {
	f := newFixture(t)
	server := resource.Server{ID: "many", Name: "Many", Audience: "https://many.example.com"}
	var grants []client.Grant
	for i := range 201 {
		id := fmt.Sprint("s", i)
		server.Services = append(server.Services, resource.Service{ID: id, Name: id, Scopes: []resource.Scope{{ID: id, Name: id}}})
		grants = append(grants, grant("many", id))
	}
	_, err := f.catalog.Add(f.ctx, server)
	require.NoError(t, err)

	c := f.add(t, client.Spec{Name: "nightly", Grants: grants[:200]})
	require.Len(t, f.granted(t, c.ID, "many"), 200)

	_, err = f.Add(f.ctx, client.Spec{Name: "too much", Grants: grants})
	requireProblem(t, err, "Grants", "are 201, at most 200")
}

func TestAGrantAtEachOf200Servers(t *testing.T) {
	f := newFixture(t)
	var grants []client.Grant
	for i := range 200 {
		id := fmt.Sprint("s", i)
		_, err := f.catalog.Add(f.ctx, resource.Server{
			ID: id, Name: id, Audience: "urn:x:" + id,
			Services: []resource.Service{{ID: "one", Name: "One", Scopes: []resource.Scope{{ID: "all", Name: "All"}}}},
		})
		require.NoError(t, err)
		grants = append(grants, grant(id, "all"))
	}
	labels := map[string]string{}
	for i := range 16 {
		labels[fmt.Sprint(i)] = "x"
	}
	// That is the most labels that a record of a client has.
	c := f.add(t, client.Spec{Name: "everywhere", Grants: grants, Labels: labels})
	require.Equal(t, []string{"all"}, f.granted(t, c.ID, "s199"))
}

func TestAGoneScopeGrantsNothing(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: []client.Grant{grant("orders", "shop::write"), grant("orders", "bank::read")}})
	f.sync(t, resource.Scope{ID: "shop::read", Name: "Role:Read"})
	require.Equal(t, []string{"bank::read"}, f.granted(t, c.ID, "orders"))

	// It is still shown, with its names, and stays when something else is edited.
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description = "edited"; return nil })
	require.NoError(t, err)
	require.Equal(t, c.Grants, edited.Grants)
	require.Equal(t, "Role:Write", edited.Grants[0].Scope)
	require.Equal(t, []string{"bank::read"}, f.granted(t, c.ID, "orders"))

	// Also when the caller gives no more than the ids.
	edited, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		e.Grants = []client.Grant{grant("orders", "bank::read"), grant("orders", "shop::write")}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []client.Grant{c.Grants[1], c.Grants[0]}, edited.Grants)

	// Nobody else gets it, and who gave it up does not get it again.
	_, err = f.Add(f.ctx, client.Spec{Name: "another", Grants: []client.Grant{c.Grants[0]}})
	requireProblem(t, err, "Grants[0].ScopeID", `names the scope "shop::write"`)

	// Beside it there is no other scope of its service, or there would be two
	// once it is back.
	_, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		e.Grants = append(e.Grants, grant("orders", "shop::read"))
		return nil
	})
	requireProblem(t, err, "Grants[2].ScopeID", `is a second scope ("Role:Read" beside "Role:Write") of the service "Shop"`)

	// Back, it counts again.
	f.sync(t, resource.Scope{ID: "shop::write", Name: "Role:Everything"})
	require.Equal(t, []string{"bank::read", "shop::write"}, f.granted(t, c.ID, "orders"))
	edited, err = f.Edit(f.ctx, c.ID, func(*client.Client) error { return nil })
	require.NoError(t, err)
	require.Equal(t, "Role:Everything", edited.Grants[1].Scope)

	f.sync(t)
	_, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Grants = e.Grants[:1]; return nil })
	require.NoError(t, err)
	_, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Grants = c.Grants; return nil })
	requireProblem(t, err, "Grants[0].ScopeID", `names the scope "shop::write"`)
}

func TestAGoneServerGrantsNothing(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: []client.Grant{grant("metrics", "node::read")}})
	require.NoError(t, f.catalog.Delete(f.ctx, "metrics"))
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description = "edited"; return nil })
	require.NoError(t, err)
	require.Equal(t, c.Grants, edited.Grants)

	// A new server with its id but with services of its own is another one.
	_, err = f.catalog.Add(f.ctx, resource.Server{
		ID: "metrics", Name: "Metrics", Audience: "https://metrics.example.com",
		Services: []resource.Service{{ID: "other", Name: "Node", Scopes: []resource.Scope{{ID: "node::read", Name: "Role:Read"}}}},
	})
	require.NoError(t, err)
	require.Empty(t, f.granted(t, c.ID, "metrics"))
}

// move puts the scope bank::read into the service Shop.
func (f *fixture) move(t testing.TB) {
	t.Helper()
	_, err := f.catalog.Edit(f.ctx, "orders", func(s *resource.Server) error {
		s.Services[0].Scopes = append(s.Services[0].Scopes, resource.Scope{ID: "bank::read", Name: "Bank"})
		s.Services[1].Scopes = nil
		return nil
	})
	require.NoError(t, err)
}

func TestAMovedScopeGrantsNothing(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: []client.Grant{grant("orders", "shop::read"), grant("orders", "bank::read")}})
	f.move(t)
	require.Equal(t, []string{"shop::read"}, f.granted(t, c.ID, "orders"))

	// Nor does it once something else is edited, which it does not prevent
	// although its service has another scope of the client now.
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description = "edited"; return nil })
	require.NoError(t, err)
	require.Equal(t, c.Grants, edited.Grants)
	require.Equal(t, []string{"shop::read"}, f.granted(t, c.ID, "orders"))

	// Who grants it anew gets it where it is, by the rule for that service.
	_, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		e.Grants = []client.Grant{grant("orders", "shop::read"), grant("orders", "bank::read")}
		return nil
	})
	requireProblem(t, err, "Grants[1].ScopeID", `is a second scope ("Bank" beside "Role:Read") of the service "Shop"`)
	edited, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		e.Grants = []client.Grant{grant("orders", "bank::read")}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []client.Grant{{"orders", "bank::read", "shop", "Shop", "Bank"}}, edited.Grants)
	require.Equal(t, []string{"bank::read"}, f.granted(t, c.ID, "orders"))
}

func TestNothingOfTheCatalogKeepsAClientEnabled(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: []client.Grant{grant("orders", "shop::read"), grant("orders", "bank::read")}})
	f.move(t)
	f.sync(t)
	disabled, err := f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, disabled.Disabled)
	require.Equal(t, c.Grants, disabled.Grants)
}

func TestARenamedScopeIsRenamedInItsGrantsWhenTheyAreSaved(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: []client.Grant{grant("orders", "shop::read")}})
	f.sync(t, resource.Scope{ID: "shop::read", Name: "Reader"})
	require.Equal(t, "Role:Read", f.get(t, c.ID).Grants[0].Scope)
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description = "edited"; return nil })
	require.NoError(t, err)
	require.Equal(t, "Reader", edited.Grants[0].Scope)
}

func TestLostScopes(t *testing.T) {
	f := newFixture(t)
	writer := f.add(t, client.Spec{Name: "writer", Grants: []client.Grant{grant("orders", "shop::write")}})
	reader := f.add(t, client.Spec{Name: "reader", Grants: []client.Grant{grant("orders", "shop::read"), grant("orders", "bank::read")}})
	second := f.add(t, client.Spec{Name: "Also a reader", Grants: []client.Grant{grant("orders", "shop::read")}})
	f.add(t, client.Spec{Name: "banker", Grants: []client.Grant{grant("orders", "bank::read")}})
	f.add(t, client.Spec{Name: "none"})

	lost, err := f.LostScopes(f.ctx, f.sync(t, resource.Scope{ID: "shop::read", Name: "Reader"}, resource.Scope{ID: "shop::write", Name: "Role:Write"}))
	require.NoError(t, err)
	require.Empty(t, lost, "a rename takes nothing away")

	lost, err = f.LostScopes(f.ctx, f.sync(t))
	require.NoError(t, err)
	require.Equal(t, []client.LostScope{
		{f.get(t, second.ID), second.Grants[0]},
		{f.get(t, reader.ID), reader.Grants[0]},
		{f.get(t, writer.ID), writer.Grants[0]},
	}, lost)

	lost, err = f.LostScopes(f.ctx, f.sync(t))
	require.NoError(t, err)
	require.Empty(t, lost, "nothing was removed any more")
}

func TestLostScopesLeavesOutWhatWasLostBefore(t *testing.T) {
	f := newFixture(t)
	f.add(t, client.Spec{Name: "banker", Grants: []client.Grant{grant("orders", "bank::read")}})
	f.move(t)
	here := f.add(t, client.Spec{Name: "shopper", Grants: []client.Grant{grant("orders", "bank::read")}})
	lost, err := f.LostScopes(f.ctx, f.sync(t))
	require.NoError(t, err)
	require.Equal(t, []client.LostScope{{here, here.Grants[0]}}, lost)
}

func TestLostScopesReadsAllPages(t *testing.T) {
	if testing.Short() {
		t.Skip("adds a thousand clients")
	}
	f := newFixture(t)
	for i := range 1001 {
		f.add(t, client.Spec{Name: fmt.Sprint("client ", i), Grants: []client.Grant{grant("orders", "shop::read")}})
	}
	lost, err := f.LostScopes(f.ctx, f.sync(t))
	require.NoError(t, err)
	require.Len(t, lost, 1001)
	seen := map[string]bool{}
	for _, l := range lost {
		require.False(t, seen[l.Client.ID])
		seen[l.Client.ID] = true
	}
}
