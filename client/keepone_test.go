package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// full are the grants of administrators in these tests.
var full = []client.Grant{grant("orders", "shop::write"), grant("metrics", "node::read")}

// keeping returns a fixture whose Registry keeps one of full in use.
func keeping(t testing.TB) *fixture {
	f := newFixture(t)
	f.Registry = f.another(t, client.Config{KeepOne: full})
	return f
}

// removals are the ways in which a client ceases to hold one of full.
var removals = map[string]func(ctx context.Context, r *client.Registry, id string) error{
	"deleted": func(ctx context.Context, r *client.Registry, id string) error { return r.Delete(ctx, id) },
	"disabled": func(ctx context.Context, r *client.Registry, id string) error {
		_, err := r.Disable(ctx, id)
		return err
	},
	"disabled by an edit": func(ctx context.Context, r *client.Registry, id string) error {
		_, err := r.Edit(ctx, id, func(c *client.Client) error { c.Disabled = true; return nil })
		return err
	},
	"stripped of all grants": func(ctx context.Context, r *client.Registry, id string) error {
		_, err := r.Edit(ctx, id, func(c *client.Client) error { c.Grants = nil; return nil })
		return err
	},
	"given a smaller grant": func(ctx context.Context, r *client.Registry, id string) error {
		_, err := r.Edit(ctx, id, func(c *client.Client) error { c.Grants = []client.Grant{grant("orders", "shop::read")}; return nil })
		return err
	},
}

func TestTheLastIsKept(t *testing.T) {
	for title, remove := range removals {
		t.Run("it is not "+title, func(t *testing.T) {
			for _, g := range full {
				f := keeping(t)
				last := f.add(t, client.Spec{Name: "admin", Grants: []client.Grant{g}})
				f.add(t, client.Spec{Name: "reader", Grants: []client.Grant{grant("orders", "shop::read")}})
				f.add(t, client.Spec{Name: "disabled", Grants: full, Disabled: true})
				f.requireUnchanged(t, func() {
					err := remove(f.ctx, f.Registry, last.ID)
					require.ErrorIs(t, err, client.ErrLast)
					require.ErrorContains(t, err, last.ID)
					require.NotErrorIs(t, err, client.ErrConflict)
				})
				// One that holds nothing may go, and with another holder the last
				// is not the last.
				require.NoError(t, f.Delete(f.ctx, f.add(t, client.Spec{Name: "one more"}).ID))
				other := f.add(t, client.Spec{Name: "another", Grants: full[1:]})
				require.NoError(t, remove(f.ctx, f.Registry, last.ID))
				require.ErrorIs(t, remove(f.ctx, f.Registry, other.ID), client.ErrLast)
			}
		})
		t.Run("where nothing must be kept it is "+title, func(t *testing.T) {
			f := newFixture(t)
			last := f.add(t, client.Spec{Name: "admin", Grants: full[:1]})
			require.NoError(t, remove(f.ctx, f.Registry, last.ID))
		})
		t.Run("what is disabled is freely "+title, func(t *testing.T) {
			f := keeping(t)
			f.add(t, client.Spec{Name: "admin", Grants: full})
			c := f.add(t, client.Spec{Name: "disabled", Grants: full, Disabled: true})
			require.NoError(t, remove(f.ctx, f.Registry, c.ID))
		})
	}
}

func TestTheLastMayChangeOtherwise(t *testing.T) {
	f := keeping(t)
	last := f.add(t, client.Spec{Name: "admin", Grants: full[:1]})
	for title, change := range map[string]func(c *client.Client){
		"its name":            func(c *client.Client) { c.Name = "root" },
		"another grant":       func(c *client.Client) { c.Grants = append(c.Grants, grant("orders", "bank::read")) },
		"the other of full":   func(c *client.Client) { c.Grants = full[1:] },
		"and that one back":   func(c *client.Client) { c.Grants = full[:1] },
		"how it proves it":    func(c *client.Client) { c.Method, c.JWKSURL = "JWKS", keysURL },
		"what it is good for": func(c *client.Client) { c.Description = "everything" },
	} {
		_, err := f.Edit(f.ctx, last.ID, func(c *client.Client) error { change(c); return nil })
		require.NoError(t, err, title)
	}
	require.Empty(t, f.kept(t), "none of that writes the record")
}

// kept returns the records of client.KindKeep.
func (f *fixture) kept(t testing.TB) []store.Record {
	t.Helper()
	page, err := f.store.Store.List(t.Context(), store.Query{Kind: client.KindKeep})
	require.NoError(t, err)
	return page.Records
}

func TestWhatCountsIsTheCatalogOfNow(t *testing.T) {
	t.Run("a holder whose scope is gone is none", func(t *testing.T) {
		f := keeping(t)
		gone := f.add(t, client.Spec{Name: "gone", Grants: full[:1]})
		last := f.add(t, client.Spec{Name: "last", Grants: full[1:]})
		f.sync(t, resource.Scope{ID: "shop::read", Name: "Role:Read"})
		require.ErrorIs(t, f.Delete(f.ctx, last.ID), client.ErrLast)
		require.NoError(t, f.Delete(f.ctx, gone.ID))
	})
	t.Run("nor is one whose resource server is gone", func(t *testing.T) {
		f := keeping(t)
		last := f.add(t, client.Spec{Name: "last", Grants: full[:1]})
		gone := f.add(t, client.Spec{Name: "gone", Grants: full[1:]})
		require.NoError(t, f.catalog.Delete(f.ctx, "metrics"))
		require.ErrorIs(t, f.Delete(f.ctx, last.ID), client.ErrLast)
		require.NoError(t, f.Delete(f.ctx, gone.ID))
	})
	t.Run("nor is one whose scope has moved to another service", func(t *testing.T) {
		f := newFixture(t)
		f.Registry = f.another(t, client.Config{KeepOne: []client.Grant{grant("orders", "bank::read")}})
		moved := f.add(t, client.Spec{Name: "moved", Grants: []client.Grant{grant("orders", "bank::read")}})
		f.move(t)
		last := f.add(t, client.Spec{Name: "last", Grants: []client.Grant{grant("orders", "bank::read")}})
		require.ErrorIs(t, f.Delete(f.ctx, last.ID), client.ErrLast)
		require.NoError(t, f.Delete(f.ctx, moved.ID))
	})
	t.Run("where nobody holds any, nothing is kept", func(t *testing.T) {
		f := keeping(t)
		one := f.add(t, client.Spec{Name: "one", Grants: full})
		f.sync(t)
		require.NoError(t, f.catalog.Delete(f.ctx, "metrics"))
		require.NoError(t, f.Delete(f.ctx, one.ID))
	})
}

func TestAHolderIsFoundBehindManyThatAreNone(t *testing.T) {
	f := newFixture(t)
	f.Registry = f.another(t, client.Config{KeepOne: []client.Grant{grant("orders", "bank::read")}})
	for i := range store.DefaultLimit + 5 {
		f.add(t, client.Spec{Name: fmt.Sprint("moved ", i), Grants: []client.Grant{grant("orders", "bank::read")}})
	}
	f.move(t)
	last := f.add(t, client.Spec{Name: "last", Grants: []client.Grant{grant("orders", "bank::read")}})
	require.ErrorIs(t, f.Delete(f.ctx, last.ID), client.ErrLast)
	f.add(t, client.Spec{Name: "zzz", Grants: []client.Grant{grant("orders", "bank::read")}})
	require.NoError(t, f.Delete(f.ctx, last.ID))
}

func TestADryRunKeepsTheLast(t *testing.T) {
	f := keeping(t)
	one := f.add(t, client.Spec{Name: "one", Grants: full})
	for title, remove := range removals {
		f.requireUnchanged(t, func() {
			require.ErrorIs(t, remove(f.ctx, f.DryRun(), one.ID), client.ErrLast, title)
		})
	}
	f.add(t, client.Spec{Name: "two", Grants: full})
	for title, remove := range removals {
		f.requireUnchanged(t, func() { require.NoError(t, remove(f.ctx, f.DryRun(), one.ID), title) })
	}
}

// Of the last two, at most one goes, whoever else has the same thought at the same
// moment. Nobody is told ErrConflict.
func TestOfTheLastTwoOneStays(t *testing.T) {
	for first, removeFirst := range removals {
		for second, removeSecond := range removals {
			t.Run("one is "+first+", the other "+second, func(t *testing.T) {
				f := keeping(t)
				other := f.another(t, client.Config{KeepOne: full})
				for round := range 20 {
					one := f.add(t, client.Spec{Name: fmt.Sprint("one ", round), Grants: full})
					two := f.add(t, client.Spec{Name: fmt.Sprint("two ", round), Grants: full})
					var errs [2]error
					var wg sync.WaitGroup
					start := make(chan struct{})
					wg.Go(func() { <-start; errs[0] = removeFirst(f.ctx, f.Registry, one.ID) })
					wg.Go(func() { <-start; errs[1] = removeSecond(f.ctx, other, two.ID) })
					close(start)
					wg.Wait()
					require.False(t, errs[0] == nil && errs[1] == nil, "both are gone")
					stays := one.ID
					if errs[0] == nil {
						stays = two.ID
						require.ErrorIs(t, errs[1], client.ErrLast)
					} else {
						require.ErrorIs(t, errs[0], client.ErrLast)
						require.NoError(t, errs[1])
					}
					require.NotEmpty(t, f.get(t, stays).Grants)
					require.False(t, f.get(t, stays).Disabled)
					require.NoError(t, f.another(t, client.Config{}).Delete(f.ctx, stays)) // by one who keeps nothing
				}
			})
		}
	}
}

// The same without luck: both have found each other before either writes.
func TestWhoCountedOnSomebodyWhoIsGoneLooksAgain(t *testing.T) {
	f := keeping(t)
	other := f.another(t, client.Config{KeepOne: full})
	one := f.add(t, client.Spec{Name: "one", Grants: full})
	two := f.add(t, client.Spec{Name: "two", Grants: full})
	f.store.beforeApply = func(context.Context, []store.Change) error {
		f.store.beforeApply = nil
		return other.Delete(f.ctx, two.ID)
	}
	require.ErrorIs(t, f.Delete(f.ctx, one.ID), client.ErrLast)
	require.Equal(t, one, f.get(t, one.ID))

	// Also where the record is there already.
	require.Len(t, f.kept(t), 1)
	two = f.add(t, client.Spec{Name: "two", Grants: full})
	f.store.beforeApply = func(context.Context, []store.Change) error {
		f.store.beforeApply = nil
		_, err := other.Disable(f.ctx, two.ID)
		return err
	}
	_, err := f.Edit(f.ctx, one.ID, func(c *client.Client) error { c.Grants = nil; return nil })
	require.ErrorIs(t, err, client.ErrLast)
	require.Len(t, f.kept(t), 1)

	// And where a third one is left, both go.
	two, err = f.Enable(f.ctx, two.ID)
	require.NoError(t, err)
	f.add(t, client.Spec{Name: "three", Grants: full})
	f.store.beforeApply = func(context.Context, []store.Change) error {
		f.store.beforeApply = nil
		return other.Delete(f.ctx, two.ID)
	}
	require.NoError(t, f.Delete(f.ctx, one.ID))
}

func TestOfManyHoldersThatGoAtOnceOneStays(t *testing.T) {
	f := keeping(t)
	var ids []string
	for i := range racers {
		ids = append(ids, f.add(t, client.Spec{Name: fmt.Sprint("admin ", i), Grants: full}).ID)
	}
	var mu sync.Mutex
	var refused []error
	race(func(i int) {
		if err := f.Delete(f.ctx, ids[i]); err != nil {
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, err)
		}
	})
	require.Len(t, refused, 1, "who waits for its turn is not overtaken")
	require.ErrorIs(t, refused[0], client.ErrLast)
	require.Len(t, f.list(t, client.Query{}), 1)
}

// Two processes may overtake each other until one gives up; never is nobody left.
func TestOfManyHoldersOverTwoRegistriesOneStays(t *testing.T) {
	f := keeping(t)
	registries := []*client.Registry{f.Registry, f.another(t, client.Config{KeepOne: full})}
	var ids []string
	for i := range racers {
		ids = append(ids, f.add(t, client.Spec{Name: fmt.Sprint("admin ", i), Grants: full}).ID)
	}
	race(func(i int) {
		err := registries[i%2].Delete(f.ctx, ids[i])
		if err != nil && !errors.Is(err, client.ErrLast) && !errors.Is(err, client.ErrConflict) {
			t.Error(err)
		}
	})
	require.NotEmpty(t, f.list(t, client.Query{}))
}

func TestKeepingOneOnAStoreThatFails(t *testing.T) {
	f := keeping(t)
	one := f.add(t, client.Spec{Name: "one", Grants: full})
	f.add(t, client.Spec{Name: "two", Grants: full})
	for title, remove := range removals {
		t.Run("its record can't be read: not "+title, func(t *testing.T) {
			f.store.beforeGet = func(_ context.Context, kind store.Kind) error {
				if kind == client.KindKeep {
					return errAway
				}
				return nil
			}
			defer func() { f.store.beforeGet = nil }()
			f.requireUnchanged(t, func() { requireUnknown(t, remove(f.ctx, f.Registry, one.ID)) })
		})
		t.Run("the others can't be listed: not "+title, func(t *testing.T) {
			f.store.beforeList = func(_ context.Context, q store.Query) error {
				if q.Kind == client.Kind {
					return errAway
				}
				return nil
			}
			defer func() { f.store.beforeList = nil }()
			f.requireUnchanged(t, func() { requireUnknown(t, remove(f.ctx, f.Registry, one.ID)) })
		})
		t.Run("the catalog can't be read: not "+title, func(t *testing.T) {
			catalog, err := resource.NewCatalog(resource.Config{Store: catalogless{f.store}})
			require.NoError(t, err)
			r, err := client.NewRegistry(client.Config{Store: f.store, Resources: catalog, Now: f.clock.now, KeepOne: full})
			require.NoError(t, err)
			f.requireUnchanged(t, func() { requireUnknown(t, remove(f.ctx, r, one.ID)) })
		})
		t.Run("a newer release has written it: not "+title, func(t *testing.T) {
			record := store.Record{Kind: client.KindKeep, ID: "keep.one", Format: 3}
			revision, err := f.store.Apply(f.ctx, store.Put(record))
			require.NoError(t, err)
			defer func() {
				_, err := f.store.Apply(f.ctx, store.Delete(record.Kind, record.ID, revision))
				require.NoError(t, err)
			}()
			f.requireUnchanged(t, func() { require.ErrorIs(t, remove(f.ctx, f.Registry, one.ID), store.ErrNewer) })
		})
	}
	t.Run("whoever waits for the turn may give up", func(t *testing.T) {
		inside, leave := make(chan struct{}), make(chan struct{})
		f.store.beforeApply = func(context.Context, []store.Change) error {
			f.store.beforeApply = nil
			close(inside)
			<-leave
			return errAway
		}
		var wg sync.WaitGroup
		wg.Go(func() { requireUnknown(t, f.Delete(f.ctx, one.ID)) })
		<-inside
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		other := f.list(t, client.Query{Search: "two"})
		require.Len(t, other, 1)
		two, err := f.ByName(f.ctx, "two")
		require.NoError(t, err)
		_, err = f.Disable(ctx, two.ID)
		require.ErrorIs(t, err, context.Canceled)
		close(leave)
		wg.Wait()
		_, err = f.Disable(f.ctx, two.ID)
		require.NoError(t, err, "the turn was given back")
	})
}

// A Registry without KeepOne reads and writes what it did before.
func TestKeepingOneCostsNothingWhereNothingIsKept(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Grants: full})
	before := f.store.gets.Load()
	f.store.beforeList = func(context.Context, store.Query) error { return errors.New("listed") }
	require.NoError(t, f.Delete(f.ctx, c.ID))
	require.Equal(t, before+1, f.store.gets.Load())
}
