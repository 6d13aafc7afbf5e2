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

// use says that a credential is used now, as an Issuer does.
func (f *fixture) use(t testing.TB, clientID, credentialID string) {
	t.Helper()
	_, err := f.store.Apply(f.ctx, store.Append(client.UsedRecord(clientID, credentialID, f.clock.now(), 30*day)))
	require.NoError(t, err)
}

func (f *fixture) lastUsed(t testing.TB, clientID string) map[string]time.Time {
	t.Helper()
	last, err := f.LastUsed(f.ctx, clientID)
	require.NoError(t, err)
	return last
}

func TestAUseIsOneRecordAnHour(t *testing.T) {
	at := time.Date(2026, 3, 4, 12, 59, 59, 999_999_999, time.FixedZone("", 1800))
	r := client.UsedRecord("c-1", "s_1", at, time.Minute)
	require.Equal(t, client.KindUsed, r.Kind)
	require.Equal(t, "c-1.s_1.2026-03-04T12", r.ID, "in UTC")
	require.Equal(t, "2026-03-04T12:29:59.999999Z", r.Sort)
	require.Equal(t, time.Date(2026, 3, 4, 13, 1, 0, 0, time.UTC), r.Expires)
	require.NoError(t, store.Check(store.Append(r)))
	require.Equal(t, r.ID, client.UsedRecord("c-1", "s_1", time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), 0).ID)
	require.NotEqual(t, r.ID, client.UsedRecord("c-1", "s_1", time.Date(2026, 3, 4, 13, 0, 0, 0, time.UTC), 0).ID)
}

func TestLastUsedIsTheLastHourOfEachCredential(t *testing.T) {
	f := newFixture(t)
	require.Empty(t, f.lastUsed(t, "nobody"))
	require.Empty(t, f.lastUsed(t, "no id, ever"))
	f.use(t, "a", "rare")
	f.use(t, "b", "rare")
	f.clock.advance(time.Hour)
	f.use(t, "a", "often")
	f.clock.advance(90 * time.Minute)
	f.use(t, "a", "often")
	require.Equal(t, map[string]time.Time{"rare": noon, "often": noon.Add(150 * time.Minute)}, f.lastUsed(t, "a"))
	require.Equal(t, map[string]time.Time{"rare": noon}, f.lastUsed(t, "b"))
}

func TestLastUsedFindsTheSecretThatAnotherOneHides(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "busy"})
	_, rare := f.addSecret(t, c.ID, 60*day)
	_, often := f.addSecret(t, c.ID, 60*day)
	_, gone := f.addSecret(t, c.ID, 60*day) // in the place of often
	f.use(t, c.ID, rare.ID)
	f.use(t, c.ID, often.ID)
	for range 100 {
		f.clock.advance(time.Hour)
		f.use(t, c.ID, gone.ID)
	}
	read := 0
	f.store.beforeList = func(_ context.Context, q store.Query) error { read += q.Limit; return nil }
	require.Equal(t, map[string]time.Time{rare.ID: noon, gone.ID: f.clock.now()}, f.lastUsed(t, c.ID),
		"often is none of the client's any more")
	require.Less(t, read, 20, "which has no need of all the uses")
}

func TestLastUseOfManyClients(t *testing.T) {
	f := newFixture(t)
	often, once, never := f.add(t, client.Spec{Name: "often"}), f.add(t, client.Spec{Name: "once"}), f.add(t, client.Spec{Name: "never"})
	f.use(t, once.ID, "secret")
	for range 3 {
		f.use(t, often.ID, "secret")
		f.clock.advance(2 * time.Hour)
		f.use(t, often.ID, "other")
	}
	last, err := f.LastUse(f.ctx, never.ID, often.ID, "no id!", "", once.ID, often.ID, "nobody")
	require.NoError(t, err)
	require.Equal(t, map[string]time.Time{once.ID: noon, often.ID: noon.Add(6 * time.Hour)}, last)
	last, err = f.LastUse(f.ctx)
	require.NoError(t, err)
	require.Empty(t, last)
}

func TestASecretInUseIsDeletedOnlyByWhoMeansIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		since time.Duration // since 12:30, when the secret was used
		in    bool
	}{
		{"at once", 0, true},
		{"after 24 hours, as it may have been used until 13:00", day, true},
		{"just before 13:00 of the next day", day + 30*time.Minute - 1, true},
		{"at 13:00 of the next day", day + 30*time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			spec := f.add(t, client.Spec{Name: "report"})
			value, used := f.addSecret(t, spec.ID, 60*day)
			_, unused := f.addSecret(t, spec.ID, 60*day)
			f.clock.advance(30 * time.Minute)
			f.use(t, spec.ID, used.ID)
			f.clock.advance(c.since)

			require.NoError(t, f.DeleteUnusedSecret(f.ctx, spec.ID, unused.ID))
			err := f.DryRun().DeleteUnusedSecret(f.ctx, spec.ID, used.ID)
			require.Equal(t, c.in, err != nil)
			err = f.DeleteUnusedSecret(f.ctx, spec.ID, used.ID)
			if !c.in {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, client.ErrInUse)
			require.ErrorContains(t, err, "2026-03-04T12:30:00Z")
			require.True(t, f.works(t, spec.ID, value))
			require.NoError(t, f.DeleteSecret(f.ctx, spec.ID, used.ID))
			require.ErrorIs(t, f.DeleteUnusedSecret(f.ctx, spec.ID, used.ID), client.ErrNotFound)
		})
	}
}

func TestAnExpiredSecretIsNotInUse(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "report"})
	_, secret := f.addSecret(t, c.ID, 30*day)
	f.clock.advance(30*day - time.Minute)
	f.use(t, c.ID, secret.ID)
	require.ErrorIs(t, f.DeleteUnusedSecret(f.ctx, c.ID, secret.ID), client.ErrInUse)
	f.clock.advance(time.Minute)
	require.NoError(t, f.DeleteUnusedSecret(f.ctx, c.ID, secret.ID))
}

func TestLastUsedSaysWhichRecordItCannotRead(t *testing.T) {
	f := newFixture(t)
	r := client.UsedRecord("a", "s", noon, day)
	r.Sort = "noon"
	_, err := f.store.Apply(f.ctx, store.Append(r))
	require.NoError(t, err)
	_, err = f.LastUsed(f.ctx, "a")
	require.ErrorContains(t, err, fmt.Sprintf("%q", r.ID))
	_, err = f.LastUse(f.ctx, "b", "a")
	require.ErrorContains(t, err, fmt.Sprintf("%q", r.ID))
}
