package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
)

func TestLookupSeesItsOwnChangesAtOnce(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	look := func() *client.Client {
		t.Helper()
		looked, err := f.Lookup(f.ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, f.get(t, c.ID), looked)
		return looked
	}
	require.False(t, look().Disabled)
	_, err := f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, look().Disabled)
	_, kept := f.addSecret(t, c.ID, 90*day)
	require.Len(t, look().Secrets, 1)
	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, kept.ID))
	require.Empty(t, look().Secrets)
	require.NoError(t, f.Delete(f.ctx, c.ID))
	_, err = f.Lookup(f.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)

	_, err = f.Lookup(f.ctx, "imported")
	require.ErrorIs(t, err, client.ErrNotFound)
	_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "imported"}})
	require.NoError(t, err)
	_, err = f.Lookup(f.ctx, "imported")
	require.NoError(t, err)
}

func TestLookupSeesAnothersChangesWithinTheBound(t *testing.T) {
	for title, c := range map[string]struct{ set, bound time.Duration }{
		"one second by default": {0, time.Second}, "a minute": {time.Minute, time.Minute},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				far := f.another(t, client.Config{Fresh: c.set})
				added := f.add(t, client.Spec{Name: "nightly"})
				value, _ := f.addSecret(t, added.ID, 90*day)
				looked, err := far.Lookup(f.ctx, added.ID)
				require.NoError(t, err)
				_, _, valid := looked.CheckSecret(value.Reveal(), noon)
				require.True(t, valid)

				// Not decoded again while nothing changes.
				gets := f.store.gets.Load()
				for range 10 {
					time.Sleep(c.bound / 4)
					again, err := far.Lookup(f.ctx, added.ID)
					require.NoError(t, err)
					require.Same(t, looked, again)
				}
				require.Equal(t, gets, f.store.gets.Load())

				_, _, err = f.Rotate(f.ctx, added.ID, client.Rotation{ExpiresAt: noon.Add(90 * day)})
				require.NoError(t, err)
				time.Sleep(c.bound + 1)
				looked, err = far.Lookup(f.ctx, added.ID)
				require.NoError(t, err)
				_, known, _ := looked.CheckSecret(value.Reveal(), noon)
				require.False(t, known)

				_, err = f.Disable(f.ctx, added.ID)
				require.NoError(t, err)
				time.Sleep(c.bound + 1)
				looked, err = far.Lookup(f.ctx, added.ID)
				require.NoError(t, err)
				require.True(t, looked.Disabled)

				require.NoError(t, f.Delete(f.ctx, added.ID))
				time.Sleep(c.bound + 1)
				_, err = far.Lookup(f.ctx, added.ID)
				require.ErrorIs(t, err, client.ErrNotFound)

				_, err = far.Lookup(f.ctx, "imported")
				require.ErrorIs(t, err, client.ErrNotFound)
				_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "imported"}})
				require.NoError(t, err)
				time.Sleep(c.bound + 1)
				_, err = far.Lookup(f.ctx, "imported")
				require.NoError(t, err)
			})
		})
	}
}

func TestGetSeesAnothersChangesAtOnce(t *testing.T) {
	f := newFixture(t)
	far := f.another(t, client.Config{})
	c := f.add(t, client.Spec{Name: "nightly"})
	_, err := far.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.True(t, f.get(t, c.ID).Disabled)
}

func TestLookupKeepsNoMoreThanItWasTold(t *testing.T) {
	f := newFixture(t)
	r := f.another(t, client.Config{CacheSize: 4})
	var ids []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		ids = append(ids, f.add(t, client.Spec{Name: name}).ID)
	}
	all := func() int64 {
		before := f.store.gets.Load()
		for _, id := range ids {
			_, err := r.Lookup(f.ctx, id)
			require.NoError(t, err)
		}
		return f.store.gets.Load() - before
	}
	require.EqualValues(t, 8, all())
	require.GreaterOrEqual(t, all(), int64(4))
	ids = ids[:1]
	all()
	require.Zero(t, all())
}
