package pgstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/store"
)

// age makes the deletions of a database older, which is as if time had passed.
func age(t *testing.T, db *pgstore.DB, by string) {
	t.Helper()
	db.Exec(t.Context(), "UPDATE @.deletion SET at = at - interval '"+by+"'")
}

func remove(t *testing.T, s store.Store, id string, rev store.Revision) store.Revision {
	t.Helper()
	rev, err := s.Apply(t.Context(), store.Delete("client", id, rev))
	require.NoError(t, err)
	return rev
}

func TestDeletionsAreRememberedForAnHour(t *testing.T) {
	db, s := openTenant(t)
	other := tenant(t, db, "other")
	sweep := func(s store.Store) {
		t.Helper()
		n, err := s.Sweep(t.Context(), day(0), 0)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	feed := func(since store.Revision) (store.Feed, error) { return s.Changes(t.Context(), since, 0, 0) }

	a, b := putNew(t, s, "a"), putNew(t, s, "b")
	goneA := remove(t, s, "a", a.Version)
	age(t, db, "1 minute")
	goneB := remove(t, s, "b", b.Version)

	age(t, db, "60 minutes")
	sweep(s)
	f, err := feed(0)
	require.NoError(t, err)
	require.Len(t, f.Changed, 2, "after an hour both are there")

	age(t, db, "9 minutes 30 seconds")
	sweep(other)
	_, err = feed(0)
	require.NoError(t, err, "another tenant's Sweep forgets nothing of this one")
	sweep(s)
	for since, want := range map[store.Revision]error{
		0: store.ErrTooOld, a.Version: store.ErrTooOld, goneA - 1: store.ErrTooOld, goneA: nil, goneB: nil, goneB + 1: store.ErrTooOld,
	} {
		_, err = feed(since)
		require.ErrorIs(t, err, want, "since %d", since)
	}
	f, err = feed(goneA)
	require.NoError(t, err)
	require.Equal(t, []store.Changed{{Kind: "client", ID: "b", Revision: goneB, Deleted: true}}, f.Changed)

	age(t, db, "1 minute")
	sweep(s)
	_, err = s.Changes(t.Context(), goneA, time.Hour, 0)
	require.ErrorIs(t, err, store.ErrTooOld, "who would wait hears of it too")
	f, err = feed(goneB)
	require.NoError(t, err)
	require.Empty(t, f.Changed)
}

// The clock of the server goes back: nothing is forgotten too early.
func TestDeletionsWhenTheClockGoesBack(t *testing.T) {
	db, s := openTenant(t)
	remove(t, s, "a", putNew(t, s, "a").Version)
	gone := remove(t, s, "b", putNew(t, s, "b").Version)
	db.Exec(t.Context(), "UPDATE @.deletion SET at = at - interval '2 hours' WHERE id = 'b'")
	_, err := s.Sweep(t.Context(), day(0), 0)
	require.NoError(t, err)
	f, err := s.Changes(t.Context(), 0, 0, 0)
	require.NoError(t, err)
	require.Len(t, f.Changed, 2)
	require.Equal(t, gone, f.Revision)
}

// Many deletions are forgotten, though not all by one Sweep.
func TestManyDeletions(t *testing.T) {
	db, s := openTenant(t)
	for range 3 {
		fill(t, s, store.MaxChanges)
		sweepAll(t, s)
	}
	require.Equal(t, "500", db.Value(t.Context(), "SELECT count(*) FROM @.deletion"), "one for each id")
	age(t, db, "2 hours")
	sweepAll(t, s)
	require.Equal(t, "0", db.Value(t.Context(), "SELECT count(*) FROM @.deletion"))
}

func sweepAll(t *testing.T, s store.Store) {
	t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = s.Sweep(t.Context(), day(10_000), store.MaxLimit)
		require.NoError(t, err)
	}
}
