package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

func TestApplyOnAStoreThatFails(t *testing.T) {
	d := declaration(declared("1", "one"), declared("2", "two"), declared("3", "three"))
	t.Run("before anything was done", func(t *testing.T) {
		f := newFixture(t)
		f.store.beforeList = func(context.Context, store.Query) error { return errAway }
		f.requireUnchanged(t, func() {
			plan, err := client.Apply(f.ctx, f.Registry, d, false)
			requireUnknown(t, err)
			require.Empty(t, plan)
		})
	})
	t.Run("in the rehearsal", func(t *testing.T) {
		f := newFixture(t)
		f.store.beforeGet = func(context.Context, store.Kind) error { return errAway }
		f.requireUnchanged(t, func() {
			plan, err := client.Apply(f.ctx, f.Registry, d, false)
			requireUnknown(t, err)
			require.ErrorContains(t, err, `declared client "1"`)
			require.Empty(t, plan)
		})
	})
	t.Run("after a step, and the plan has that step", func(t *testing.T) {
		f := newFixture(t)
		applies := 0
		f.store.beforeApply = func(context.Context, []store.Change) error {
			if applies++; applies == 2 {
				return errAway
			}
			return nil
		}
		plan, err := client.Apply(f.ctx, f.Registry, d, false)
		requireUnknown(t, err)
		require.ErrorContains(t, err, `declared client "2", to be applied again`)
		require.Equal(t, []string{"add one"}, actions(plan))
		require.NotEmpty(t, plan.Steps[0].ClientID)
		require.Equal(t, []string{"unchanged one", "add two", "add three"}, actions(f.apply(t, d)))
	})
}

func TestApplyAndWhoComesInBetween(t *testing.T) {
	// between calls do after the rehearsal, before the first step is written.
	between := func(f *fixture, do func()) {
		f.store.beforeApply = func(context.Context, []store.Change) error {
			f.store.beforeApply = nil
			do()
			return nil
		}
	}
	start := func(t *testing.T) (*fixture, *client.Registry, string) {
		f := newFixture(t)
		plan := f.apply(t, declaration(declared("1", "one"), declared("2", "two")))
		return f, f.another(t, client.Config{}), plan.Steps[1].ClientID
	}
	changed := func() client.Declaration {
		d := declaration(declared("1", "first"), declared("2", "second"))
		return d
	}
	t.Run("an edit of something else is kept", func(t *testing.T) {
		f, other, id := start(t)
		between(f, func() {
			_, err := other.Edit(f.ctx, id, func(c *client.Client) error { c.Labels["ticket"] = "1"; return nil })
			require.NoError(t, err)
		})
		_, err := client.Apply(f.ctx, f.Registry, changed(), false)
		require.NoError(t, err)
		require.Equal(t, "second", f.get(t, id).Name)
		require.Equal(t, "1", f.get(t, id).Labels["ticket"])
	})
	t.Run("a client that was taken from the owner is not touched", func(t *testing.T) {
		for _, label := range []string{client.LabelOwner, client.LabelExternalID} {
			f, other, id := start(t)
			between(f, func() {
				_, err := other.Edit(f.ctx, id, func(c *client.Client) error { c.Labels[label] = "another"; return nil })
				require.NoError(t, err)
			})
			plan, err := client.Apply(f.ctx, f.Registry, changed(), false)
			require.ErrorIs(t, err, client.ErrConflict)
			require.ErrorContains(t, err, "has another owner or external id by now")
			require.Equal(t, []string{"edit first"}, actions(plan))
			require.Equal(t, "two", f.get(t, id).Name)
		}
	})
	t.Run("nor deleted", func(t *testing.T) {
		f, other, id := start(t)
		between(f, func() {
			_, err := other.Edit(f.ctx, id, func(c *client.Client) error { c.Labels = nil; return nil })
			require.NoError(t, err)
		})
		d := declaration(declared("1", "first"))
		d.Prune = true
		_, err := client.Apply(f.ctx, f.Registry, d, false)
		require.ErrorIs(t, err, client.ErrConflict)
		f.get(t, id)
	})
	t.Run("one that was deleted is not found", func(t *testing.T) {
		f, other, id := start(t)
		between(f, func() { require.NoError(t, other.Delete(f.ctx, id)) })
		plan, err := client.Apply(f.ctx, f.Registry, changed(), false)
		require.ErrorIs(t, err, client.ErrNotFound)
		require.Equal(t, []string{"edit first"}, actions(plan))
	})
}

func TestTwoThatApplyTheSameAtOnce(t *testing.T) {
	f := newFixture(t)
	var clients []client.Declared
	for i := range 8 {
		clients = append(clients, declared(fmt.Sprint(i), fmt.Sprint("client ", i)))
	}
	registries := []*client.Registry{f.Registry, f.another(t, client.Config{})}
	race(func(i int) {
		for {
			_, err := client.Apply(f.ctx, registries[i%2], declaration(clients...), false)
			if err == nil {
				return
			}
			if !errors.Is(err, client.ErrNameTaken) && !errors.Is(err, client.ErrConflict) {
				t.Error(err)
				return
			}
		}
	})
	require.Len(t, f.list(t, client.Query{}), len(clients))
}
