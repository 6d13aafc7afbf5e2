package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

func TestEditChangesTheSpec(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	value, kept := f.addSecret(t, c.ID, 90*day)
	f.clock.advance(time.Minute)
	want := client.Spec{
		Name: "Renamed", Description: "now\nwith one", Labels: map[string]string{"owner": "ops"}, Disabled: true,
		TokenLifetime: 5 * time.Minute, Method: "SECRET",
		Grants: []client.Grant{{"orders", "shop::read", "shop", "Shop", "Role:Read"}},
	}
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		require.Equal(t, f.get(t, c.ID), e)
		e.Spec = want
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, &client.Client{
		ID: c.ID, Spec: want, Secrets: []client.Secret{kept},
		CreatedAt: noon, UpdatedAt: noon.Add(time.Minute), Version: edited.Version,
	}, edited)
	require.Greater(t, edited.Version, c.Version)
	require.Equal(t, edited, f.get(t, c.ID))
	require.True(t, f.works(t, c.ID, value))
}

func TestEditTakesNothingButTheSpec(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	f.addSecret(t, c.ID, 90*day)
	before := f.get(t, c.ID)
	meddle := func(e *client.Client) {
		e.ID = "another"
		e.Secrets[0].ExpiresAt = noon.Add(1000 * day)
		e.Secrets = append(e.Secrets, e.Secrets[0])
		e.CreatedAt, e.UpdatedAt = time.Time{}, time.Time{}
		e.Version = 0
	}
	f.requireUnchanged(t, func() {
		edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { meddle(e); return nil })
		require.NoError(t, err)
		require.Equal(t, before, edited)
	})
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { meddle(e); e.Description = "edited"; return nil })
	require.NoError(t, err)
	before.Description, before.Version = "edited", edited.Version
	require.Equal(t, before, edited)
	require.Equal(t, before, f.get(t, c.ID))
}

func TestAnEditThatChangesNothingWritesNothing(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{
		Name: "caf\u00e9", Labels: map[string]string{"\u00e9": "\u00e9"}, TokenLifetime: time.Hour,
		Grants: []client.Grant{grant("orders", "shop::read")},
	})
	f.clock.advance(time.Hour)
	same := map[string]func(e *client.Client){
		"nothing":                             func(*client.Client) {},
		"the same name, decomposed":           func(e *client.Client) { e.Name = "cafe\u0301" },
		"the same labels, decomposed":         func(e *client.Client) { e.Labels = map[string]string{"e\u0301": "e\u0301"} },
		"the default lifetime":                func(e *client.Client) { e.TokenLifetime = 0 },
		"the default method":                  func(e *client.Client) { e.Method = "" },
		"the same grant by its ids":           func(e *client.Client) { e.Grants = []client.Grant{grant("orders", "shop::read")} },
		"the same grant under invented names": func(e *client.Client) { e.Grants[0].Scope = "Everything" },
	}
	for title, change := range same {
		t.Run(title, func(t *testing.T) {
			f.requireUnchanged(t, func() {
				edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { change(e); return nil })
				require.NoError(t, err)
				require.Equal(t, c, edited)
			})
		})
	}
}

func TestAnErrorOfTheFunctionEndsAnEdit(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	own := errors.New("not today")
	for _, mine := range []error{own, client.ErrConflict, store.ErrConflict, fmt.Errorf("stale: %w", client.ErrConflict), raced(t)} {
		calls := 0
		f.requireUnchanged(t, func() {
			edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error {
				calls++
				e.Description = "edited"
				return mine
			})
			require.True(t, err == mine, "returned as it is: %v", err)
			require.Nil(t, edited)
		})
		require.Equal(t, 1, calls, "tried again after %v", mine)
	}
}

func TestIf(t *testing.T) {
	t.Run("an error of the function ends it", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		for _, mine := range []error{errors.New("not today"), client.ErrConflict, fmt.Errorf("stale: %w", client.ErrConflict), raced(t)} {
			calls := 0
			f.requireUnchanged(t, func() {
				err := f.If(func(*client.Client) error { calls++; return mine }).Delete(f.ctx, c.ID)
				require.True(t, err == mine, "returned as it is: %v", err)
			})
			require.Equal(t, 1, calls, "tried again after %v", mine)
		}
	})
	t.Run("it is asked about the client as it is", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly", Labels: map[string]string{"owner": "ops"}})
		f.clock.advance(time.Second)
		require.NoError(t, f.If(func(seen *client.Client) error {
			require.Equal(t, c, seen)
			seen.Name, seen.Labels["owner"], seen.Version = "mine", "me", 1 // which counts for nothing
			return nil
		}).Delete(f.ctx, c.ID))
		_, err := f.Get(f.ctx, c.ID)
		require.ErrorIs(t, err, client.ErrNotFound)
		events := f.events(t, c.ID)
		require.Equal(t, "nightly", events[len(events)-1].Subject.Name)
		require.Contains(t, string(events[len(events)-1].Before), "ops")
	})
	t.Run("and asked again when somebody came in between", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		other := f.another(t, client.Config{})
		f.store.beforeApply = func(context.Context, []store.Change) error {
			f.store.beforeApply = nil
			_, err := other.Disable(f.ctx, c.ID)
			return err
		}
		var seen []bool
		require.NoError(t, f.If(func(c *client.Client) error { seen = append(seen, c.Disabled); return nil }).Delete(f.ctx, c.ID))
		require.Equal(t, []bool{false, true}, seen)
	})
	t.Run("of a client that is not there nobody is asked", func(t *testing.T) {
		f := newFixture(t)
		err := f.If(func(*client.Client) error { return errors.New("asked") }).Delete(f.ctx, "nobody")
		require.ErrorIs(t, err, client.ErrNotFound)
	})
	t.Run("of several each must agree, and of a new client none is asked", func(t *testing.T) {
		f := newFixture(t)
		one, other := errors.New("one"), errors.New("other")
		c := f.add(t, client.Spec{Name: "nightly"})
		for _, ask := range [][2]error{{one, nil}, {nil, other}, {nil, nil}} {
			r := f.If(func(*client.Client) error { return ask[0] }).If(func(*client.Client) error { return ask[1] })
			_, err := r.Disable(f.ctx, c.ID)
			require.Equal(t, errors.Join(ask[0], ask[1]) == nil, err == nil, "%v", ask)
			_, err = r.Add(f.ctx, client.Spec{Name: fmt.Sprint("new ", ask)})
			require.NoError(t, err)
		}
	})
}

// raced returns the error of a change that was overtaken.
func raced(t *testing.T) error {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	other := f.another(t, client.Config{})
	f.store.beforeApply = func(context.Context, []store.Change) error {
		f.store.beforeApply = nil
		_, err := other.Disable(f.ctx, c.ID)
		return err
	}
	_, _, err := f.AddSecret(f.ctx, c.ID, noon.Add(90*day))
	require.ErrorIs(t, err, client.ErrConflict)
	return err
}

func TestAnOvertakenEditBeginsAgainWithWhatIsThere(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	other := f.another(t, client.Config{})
	overtaken := 0
	f.store.beforeApply = func(_ context.Context, changes []store.Change) error {
		if overtaken++; overtaken%2 == 1 && overtaken < 6 {
			_, err := other.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description += "other "; return nil })
			return err
		}
		return nil
	}
	calls := 0
	edited, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		calls++
		e.Description += "mine"
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 4, calls)
	require.Equal(t, "other other other mine", edited.Description)
	require.Equal(t, edited, f.get(t, c.ID))
}

func TestAnEditThatIsAlwaysOvertakenGivesUp(t *testing.T) {
	for action, change := range map[string]func(f *fixture, id, secretID string) error{
		"Edit": func(f *fixture, id, _ string) error {
			_, err := f.Edit(f.ctx, id, func(c *client.Client) error { c.Description = "edited"; return nil })
			return err
		},
		"Delete":       func(f *fixture, id, _ string) error { return f.Delete(f.ctx, id) },
		"DeleteSecret": func(f *fixture, id, secretID string) error { return f.DeleteSecret(f.ctx, id, secretID) },
	} {
		t.Run(action, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			_, kept := f.addSecret(t, c.ID, 90*day)
			attempts := 0
			f.store.beforeApply = func(ctx context.Context, changes []store.Change) error {
				attempts++
				return f.touch(ctx, c.ID)
			}
			err := change(f, c.ID, kept.ID)
			require.ErrorIs(t, err, client.ErrConflict)
			require.ErrorContains(t, err, c.ID)
			require.Greater(t, attempts, 8)
			require.Less(t, attempts, 100)
			require.Len(t, f.get(t, c.ID).Secrets, 1)
		})
	}
}

// touch gives the records of a client a new version, behind the hooks.
func (f *fixture) touch(ctx context.Context, id string) error {
	record, err := f.store.Store.Get(ctx, client.Kind, id)
	if err != nil {
		return err
	}
	changes := []store.Change{store.Put(record)}
	page, err := f.store.Store.List(ctx, store.Query{Kind: client.KindExpiry})
	if err != nil {
		return err
	}
	for _, r := range page.Records {
		changes = append(changes, store.Put(r))
	}
	_, err = f.store.Store.Apply(ctx, changes...)
	return err
}

func TestAnOvertakenAddSecretIsNotTriedAgain(t *testing.T) {
	for i, title := range []string{"AddSecret", "Rotate"} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			attempts := 0
			f.store.beforeApply = func(ctx context.Context, _ []store.Change) error {
				attempts++
				return f.touch(ctx, c.ID)
			}
			value, kept, err := f.waysToAdd()[i](c.ID, noon.Add(90*day))
			require.ErrorIs(t, err, client.ErrConflict)
			require.Empty(t, value.Reveal())
			require.Zero(t, kept)
			require.Equal(t, 1, attempts)
			require.Empty(t, f.get(t, c.ID).Secrets)
		})
	}
}

func TestWhatIsGivenToAnEditStaysTheCallers(t *testing.T) {
	f := newFixture(t)
	shared := []client.Grant{grant("orders", "shop::read"), grant("metrics", "node::read")}
	labels := map[string]string{"owner": "ops"}
	var ids []string
	for i := range 4 {
		ids = append(ids, f.add(t, client.Spec{Name: fmt.Sprint(i)}).ID)
	}
	// The race detector sees whoever writes to them.
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			edited, err := f.Edit(f.ctx, id, func(e *client.Client) error {
				e.Grants, e.Labels = shared, labels
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			edited.Grants[0] = client.Grant{}
			edited.Labels["owner"] = "me"
		})
	}
	wg.Wait()
	require.Equal(t, []client.Grant{grant("orders", "shop::read"), grant("metrics", "node::read")}, shared)
	require.Equal(t, map[string]string{"owner": "ops"}, labels)
	for _, id := range ids {
		require.Equal(t, "Role:Read", f.get(t, id).Grants[0].Scope)
	}
}

func TestAnEditWaitsForItsTurnWithinItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		other := f.add(t, client.Spec{Name: "another"})
		slow := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { <-slow; e.Description += "slow"; return nil })
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()

		ctx, cancel := context.WithTimeout(f.ctx, time.Second)
		defer cancel()
		began := time.Now()
		_, err := f.Disable(ctx, c.ID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))

		wg.Go(func() {
			_, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Description += " and quick"; return nil })
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		// Nobody else waits for it, nor is anything else in the way.
		_, err = f.Disable(f.ctx, other.ID)
		require.NoError(t, err)
		_, _, err = f.AddSecret(f.ctx, c.ID, noon.Add(90*day))
		require.NoError(t, err)

		close(slow)
		wg.Wait()
		now := f.get(t, c.ID)
		require.Equal(t, "slow and quick", now.Description)
		require.Len(t, now.Secrets, 1)
	})
}

func TestANewerFormatIsReadAndNotRewritten(t *testing.T) {
	f := newFixture(t)
	digest := f.newerClient(t)
	c := f.get(t, "newer")
	require.Equal(t, "from the future", c.Name)
	require.Equal(t, digest, c.Secrets[0].Digest)
	looked, err := f.Lookup(f.ctx, "newer")
	require.NoError(t, err)
	require.Equal(t, c, looked)
	page, err := f.List(f.ctx, client.Query{})
	require.NoError(t, err)
	require.Equal(t, []*client.Client{c}, page.Clients)

	for action, change := range changing {
		if action == "client.add" || action == "client.import" {
			continue
		}
		t.Run(action, func(t *testing.T) {
			f.requireUnchanged(t, func() {
				require.ErrorIs(t, change(f.ctx, f.Registry, "newer", "imported1"), store.ErrNewer)
			})
		})
	}
}
