package client_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// expiring returns the names of the clients whose secrets end in a range, in the
// order of the ends.
func (f *fixture) expiring(t testing.TB, from, to time.Time) []string {
	t.Helper()
	secrets, next, err := f.Expiring(f.ctx, from, to, "", 0)
	require.NoError(t, err)
	require.Empty(t, next)
	names := []string{}
	for _, s := range secrets {
		require.Equal(t, f.get(t, s.Client.ID), s.Client)
		require.Contains(t, s.Client.Secrets, *s.Secret)
		require.Equal(t, s.Secret.ExpiresAt, s.EndsAt)
		require.Nil(t, s.Key)
		names = append(names, s.Client.Name)
	}
	return names
}

func TestExpiringSecretsOfARange(t *testing.T) {
	f := newFixture(t)
	for name, validity := range map[string]time.Duration{"a": 90 * day, "b": 60 * day, "c": 60*day + time.Microsecond, "d": 30 * day} {
		f.addSecret(t, f.add(t, client.Spec{Name: name, Disabled: name == "a"}).ID, validity)
	}
	f.add(t, client.Spec{Name: "without"})
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	cases := []struct {
		title    string
		from, to time.Time
		want     []string
	}{
		{"no bounds", time.Time{}, time.Time{}, []string{"d", "b", "c", "a"}},
		{"from an end on", at(60 * day), time.Time{}, []string{"b", "c", "a"}},
		{"from just after an end on", at(60*day + 1), time.Time{}, []string{"c", "a"}},
		{"until an end", time.Time{}, at(60 * day), []string{"d"}},
		{"until just after an end", time.Time{}, at(60*day + 1), []string{"d", "b"}},
		{"a microsecond", at(60 * day), at(60*day + time.Microsecond), []string{"b"}},
		{"nothing", at(60 * day), at(60 * day), []string{}},
		{"the wrong way round", at(90 * day), at(30 * day), []string{}},
		{"the next 90 days", noon, at(90 * day), []string{"d", "b", "c"}},
		{"in another time zone", at(60 * day).In(time.FixedZone("", 7200)), at(90 * day).In(time.FixedZone("", -7200)), []string{"b", "c"}},
		{"all that can be said", time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), []string{"d", "b", "c", "a"}},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) { require.Equal(t, c.want, f.expiring(t, c.from, c.to)) })
	}
}

func TestExpiringRefusesWhatIsOutOfBounds(t *testing.T) {
	f := newFixture(t)
	for title, ask := range map[string]func() (any, store.Cursor, error){
		"the year 10000": func() (any, store.Cursor, error) {
			return f.Expiring(f.ctx, noon, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "", 0)
		},
		"a year before the first": func() (any, store.Cursor, error) {
			return f.Expiring(f.ctx, time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), noon, "", 0)
		},
		"milliseconds for seconds": func() (any, store.Cursor, error) {
			return f.Expiring(f.ctx, noon, time.Unix(noon.UnixMilli(), 0), "", 0)
		},
		"a negative limit": func() (any, store.Cursor, error) { return f.Expiring(f.ctx, noon, noon, "", -1) },
		"a limit of 1001":  func() (any, store.Cursor, error) { return f.Expiring(f.ctx, noon, noon, "", 1001) },
		"a made-up cursor": func() (any, store.Cursor, error) { return f.Expiring(f.ctx, noon, noon, "made up", 0) },
	} {
		t.Run(title, func(t *testing.T) {
			secrets, next, err := ask()
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, "listing credentials by expiry")
			require.Empty(t, secrets)
			require.Empty(t, next)
		})
	}
}

func TestExpiringByPages(t *testing.T) {
	f := newFixture(t)
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("client %02d", i)
		c := f.add(t, client.Spec{Name: name})
		f.addSecret(t, c.ID, time.Duration(40+i)*day)
		want = append(want, name)
	}
	var got []string
	var after store.Cursor
	for page := 0; ; page++ {
		secrets, next, err := f.Expiring(f.ctx, noon, noon.Add(365*day), after, 10)
		require.NoError(t, err)
		require.LessOrEqual(t, len(secrets), 10)
		for _, s := range secrets {
			got = append(got, s.Client.Name)
		}
		if page == 0 {
			// What comes in before the place reached is not seen, nothing is repeated.
			f.addSecret(t, f.add(t, client.Spec{Name: "early"}).ID, 30*day)
		}
		if after = next; after == "" {
			break
		}
	}
	require.Equal(t, want, got)
}

func TestTheIndexOfSecretsFollowsEveryChange(t *testing.T) {
	f := newFixture(t)
	all := func() []string { return f.expiring(t, time.Time{}, time.Time{}) }
	c := f.add(t, client.Spec{Name: "nightly"})
	_, first := f.addSecret(t, c.ID, 60*day)
	_, second := f.addSecret(t, c.ID, 30*day)
	require.Equal(t, []string{"nightly", "nightly"}, all())

	_, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Name = "renamed"; return nil })
	require.NoError(t, err)
	require.Equal(t, []string{"renamed", "renamed"}, all())

	_, err = f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, second.ID))
	require.Equal(t, []string{"renamed"}, all())
	require.Equal(t, []string{}, f.expiring(t, noon, noon.Add(60*day)))

	// Brought forward, it stands at its new end.
	_, third, err := f.Rotate(f.ctx, c.ID, client.Rotation{ExpiresAt: noon.Add(90 * day), OldEndsAt: noon.Add(day)})
	require.NoError(t, err)
	secrets, _, err := f.Expiring(f.ctx, noon, noon.Add(60*day), "", 0)
	require.NoError(t, err)
	require.Len(t, secrets, 1)
	require.Equal(t, first.ID, secrets[0].Secret.ID)
	require.Equal(t, noon.Add(day), secrets[0].Secret.ExpiresAt)

	// Dropped as expired, or replaced, it is gone.
	f.clock.advance(day)
	_, fourth := f.addSecret(t, c.ID, 90*day)
	require.Equal(t, []string{third.ID, fourth.ID}, f.secretIDs(t, c.ID))
	require.Equal(t, []string{"renamed", "renamed"}, all())
	_, fifth, err := f.Rotate(f.ctx, c.ID, client.Rotation{ExpiresAt: f.clock.now().Add(90 * day)})
	require.NoError(t, err)
	require.Equal(t, []string{fifth.ID}, f.secretIDs(t, c.ID))
	require.Equal(t, []string{"renamed"}, all())

	require.NoError(t, f.Delete(f.ctx, c.ID))
	require.Equal(t, []string{}, all())

	_, err = f.Import(f.ctx, client.Import{ID: "imported", Spec: client.Spec{Name: "imported"}, HighEntropy: true, Secrets: imported("1", "2")})
	require.NoError(t, err)
	require.Equal(t, []string{"imported", "imported"}, all())
}

func TestExpiringLeavesOutWhatChangesWhileItReads(t *testing.T) {
	other := func(f *fixture) *client.Registry { return f.another(t, client.Config{}) }
	for title, change := range map[string]func(f *fixture, id, secretID string) error{
		"the client is deleted": func(f *fixture, id, _ string) error { return other(f).Delete(f.ctx, id) },
		"the secret is deleted": func(f *fixture, id, secretID string) error { return other(f).DeleteSecret(f.ctx, id, secretID) },
		"the secret's end is brought forward": func(f *fixture, id, _ string) error {
			_, _, err := other(f).Rotate(f.ctx, id, client.Rotation{ExpiresAt: noon.Add(365 * day), OldEndsAt: noon.Add(day)})
			return err
		},
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			_, kept := f.addSecret(t, c.ID, 60*day)
			stays := f.add(t, client.Spec{Name: "stays"})
			f.addSecret(t, stays.ID, 61*day)
			// The page was read, the clients not yet.
			f.store.beforeGet = func(_ context.Context, kind store.Kind) error {
				f.store.beforeGet = nil
				return change(f, c.ID, kept.ID)
			}
			secrets, _, err := f.Expiring(f.ctx, noon.Add(30*day), noon.Add(90*day), "", 0)
			require.NoError(t, err)
			require.Len(t, secrets, 1)
			require.Equal(t, stays.ID, secrets[0].Client.ID)
		})
	}
	t.Run("but not that the store fails", func(t *testing.T) {
		f := newFixture(t)
		f.addSecret(t, f.add(t, client.Spec{Name: "nightly"}).ID, 60*day)
		f.store.beforeGet = func(context.Context, store.Kind) error { return store.ErrClosed }
		_, _, err := f.Expiring(f.ctx, time.Time{}, time.Time{}, "", 0)
		require.ErrorIs(t, err, store.ErrClosed)
	})
}
