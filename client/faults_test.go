package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

var errAway = errors.New("connection lost")

// requireUnknown tests that err does not claim anything about what was done.
func requireUnknown(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, errAway)
	for _, claim := range []error{client.ErrConflict, client.ErrNotFound, client.ErrNameTaken, client.ErrIDUsed, client.ErrNoMethod, store.ErrInvalid} {
		require.NotErrorIs(t, err, claim)
	}
	require.False(t, errors.As(err, new(*client.InvalidError)))
}

func TestAStoreThatFailsBeforeItDoesAnything(t *testing.T) {
	for action, change := range changing {
		t.Run(action, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			_, kept := f.addSecret(t, c.ID, 90*day)
			before, err := f.Lookup(f.ctx, c.ID)
			require.NoError(t, err)
			tries := 0
			f.store.beforeApply = func(context.Context, []store.Change) error { tries++; return errAway }
			f.requireUnchanged(t, func() { requireUnknown(t, change(f.ctx, f.Registry, c.ID, kept.ID)) })
			require.Equal(t, 1, tries, "an unknown outcome is not tried again")

			after, err := f.Lookup(f.ctx, c.ID)
			require.NoError(t, err)
			require.Equal(t, before, after)

			f.store.beforeApply = nil
			require.NoError(t, change(f.ctx, f.Registry, c.ID, kept.ID), "the next time it works")
		})
	}
}

func TestAStoreThatFailsAfterItHasDoneItAll(t *testing.T) {
	for action, change := range changing {
		t.Run(action, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			_, kept := f.addSecret(t, c.ID, 90*day)
			_, err := f.Lookup(f.ctx, c.ID)
			require.NoError(t, err)
			_, err = f.Lookup(f.ctx, "imported")
			require.ErrorIs(t, err, client.ErrNotFound) // which is remembered
			before := f.records(t)

			f.store.afterApply = func(context.Context) error { return errAway }
			requireUnknown(t, change(f.ctx, f.Registry, c.ID, kept.ID))
			f.store.afterApply = nil
			require.NotEqual(t, before, f.records(t), "the change was made")

			// And Lookup knows.
			for _, id := range []string{c.ID, "imported"} {
				now, err := f.Get(f.ctx, id)
				looked, lookErr := f.Lookup(f.ctx, id)
				require.Equal(t, now, looked)
				require.Equal(t, errors.Is(err, client.ErrNotFound), errors.Is(lookErr, client.ErrNotFound))
			}
		})
	}
}

func TestAContextThatEndsWhileTheStoreWorks(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(f.ctx)
	f.store.afterApply = func(ctx context.Context) error { cancel(); return ctx.Err() }
	_, err = f.Disable(ctx, c.ID)
	require.ErrorIs(t, err, context.Canceled)
	f.store.afterApply = nil
	looked, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, looked.Disabled, "it was done, and is known")
}

func TestAStoreThatCannotBeRead(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, kept := f.addSecret(t, c.ID, 90*day)
	f.store.beforeGet = func(context.Context, store.Kind) error { return errAway }
	_, err := f.Get(f.ctx, c.ID)
	requireUnknown(t, err)
	require.ErrorContains(t, err, "reading client")
	_, err = f.Lookup(f.ctx, c.ID)
	requireUnknown(t, err)
	for action, change := range changing {
		if action == "client.add" || action == "client.import" {
			continue
		}
		f.requireUnchanged(t, func() { requireUnknown(t, change(f.ctx, f.Registry, c.ID, kept.ID)) })
	}
}

// catalogless is a store whose resource servers can't be read.
type catalogless struct{ store.Store }

func (s catalogless) List(ctx context.Context, q store.Query) (store.Page, error) {
	if q.Kind == resource.Kind {
		return store.Page{}, errAway
	}
	return s.Store.List(ctx, q)
}

func TestACatalogThatCannotBeRead(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: []client.Grant{grant("orders", "shop::read")}})
	catalog, err := resource.NewCatalog(resource.Config{Store: catalogless{f.store}})
	require.NoError(t, err)
	r, err := client.NewRegistry(client.Config{Store: f.store, Resources: catalog, Now: f.clock.now})
	require.NoError(t, err)
	f.requireUnchanged(t, func() {
		_, err := r.Add(f.ctx, client.Spec{Name: "another", Grants: c.Grants})
		requireUnknown(t, err)
		require.ErrorContains(t, err, `looking for resource server "orders"`)
		_, err = r.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description = "edited"; return nil })
		requireUnknown(t, err)
	})
	// What needs no catalog goes on: a leak can be answered.
	_, _, err = r.Rotate(f.ctx, c.ID, client.Rotation{ExpiresAt: noon.Add(90 * day)})
	require.NoError(t, err)
	disabled, err := r.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, disabled.Disabled)
	require.NoError(t, r.Delete(f.ctx, c.ID))
}

func TestRecordsThatAreNoClients(t *testing.T) {
	for title, data := range map[string]string{
		"no JSON":                    "no JSON",
		"no object":                  "[]",
		"a secret without digest":    `{"name":"x","method":"SECRET","secrets":[{"id":"a","created_at":"2026-03-04T12:00:00Z","expires_at":"2026-06-02T12:00:00Z"}]}`,
		"a digest that is too short": `{"name":"x","method":"SECRET","secrets":[{"id":"a","sha256":"00"}]}`,
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			f.plant(t, "broken", 1, data)
			f.requireUnchanged(t, func() {
				fail := func(err error) {
					t.Helper()
					require.ErrorContains(t, err, `decoding client "broken"`)
					require.NotErrorIs(t, err, client.ErrNotFound)
				}
				_, err := f.Get(f.ctx, "broken")
				fail(err)
				_, err = f.Lookup(f.ctx, "broken")
				fail(err)
				_, err = f.List(f.ctx, client.Query{})
				fail(err)
				_, err = f.Disable(f.ctx, "broken")
				fail(err)
				_, _, err = f.AddSecret(f.ctx, "broken", noon.Add(90*day))
				fail(err)
				fail(f.Delete(f.ctx, "broken"))
			})
			c := f.add(t, client.Spec{Name: "sound"})
			_, err := f.Lookup(f.ctx, c.ID)
			require.NoError(t, err)
		})
	}
}

func TestAnOutcomeThatIsUnknownNeverGivesASecret(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	f.store.afterApply = func(context.Context) error { return errAway }
	for _, add := range f.waysToAdd() {
		value, kept, err := add(c.ID, noon.Add(90*day))
		requireUnknown(t, err)
		require.Empty(t, value.Reveal())
		require.Zero(t, kept)
	}
	f.store.afterApply = nil
	for _, s := range f.get(t, c.ID).Secrets { // the caller reads, and deletes what nobody knows
		require.NoError(t, f.DeleteSecret(f.ctx, c.ID, s.ID))
	}
}
