package sqlitestore_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// A clock is moved by hand.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time      { return time.UnixMicro(c.micros.Load()) }
func (c *clock) add(d time.Duration) { c.micros.Add(d.Microseconds()) }
func newClock(at time.Time) *clock   { c := &clock{}; c.micros.Store(at.UnixMicro()); return c }
func putNew(t *testing.T, s store.Store, id string) store.Revision {
	t.Helper()
	rev, err := s.Apply(t.Context(), put(id))
	require.NoError(t, err)
	return rev
}

func TestDeletionsAreRememberedForAnHour(t *testing.T) {
	c := newClock(day(0))
	path := filepath.Join(t.TempDir(), "clientele.db")
	db := openFile(t, path, sqlitestore.Config{Now: c.now})
	s, other := tenant(t, db, "main"), tenant(t, db, "other")
	remove := func(id string, rev store.Revision) store.Revision {
		t.Helper()
		rev, err := s.Apply(t.Context(), store.Delete("client", id, rev))
		require.NoError(t, err)
		return rev
	}
	sweep := func(s store.Store) {
		t.Helper()
		n, err := s.Sweep(t.Context(), c.now(), 0)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	feed := func(since store.Revision) (store.Feed, error) { return s.Changes(t.Context(), since, 0, 0) }

	a, b := putNew(t, s, "a"), putNew(t, s, "b")
	goneA := remove("a", a)
	c.add(time.Minute)
	goneB := remove("b", b)

	c.add(sqlitestore.RememberFor - time.Minute)
	sweep(s)
	f, err := feed(0)
	require.NoError(t, err)
	require.Len(t, f.Changed, 2, "after an hour to the microsecond both are there")

	c.add(time.Microsecond)
	sweep(other)
	_, err = feed(0)
	require.NoError(t, err, "another tenant's Sweep forgets nothing of this one")
	sweep(s)
	for since, want := range map[store.Revision]error{
		0: store.ErrTooOld, a: store.ErrTooOld, goneA - 1: store.ErrTooOld, goneA: nil, goneB: nil, goneB + 1: store.ErrTooOld,
	} {
		_, err = feed(since)
		require.ErrorIs(t, err, want, "since %d", since)
	}
	f, err = feed(goneA)
	require.NoError(t, err)
	require.Equal(t, []store.Changed{{Kind: "client", ID: "b", Revision: goneB, Deleted: true}}, f.Changed)

	c.add(time.Minute)
	sweep(s)
	_, err = feed(goneA)
	require.ErrorIs(t, err, store.ErrTooOld)
	f, err = feed(goneB)
	require.NoError(t, err)
	require.Empty(t, f.Changed)

	// What was forgotten stays so, and a waiting caller hears of it too.
	again := openFile(t, path, sqlitestore.Config{Now: c.now})
	_, err = tenant(t, again, "main").Changes(t.Context(), goneA, time.Hour, 0)
	require.ErrorIs(t, err, store.ErrTooOld)
}

// The clock goes back: nothing is forgotten too early.
func TestDeletionsWhenTheClockGoesBack(t *testing.T) {
	c := newClock(day(0))
	db := openFile(t, filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{Now: c.now})
	s := tenant(t, db, "main")
	rev := putNew(t, s, "a")
	_, err := s.Apply(t.Context(), store.Delete("client", "a", rev))
	require.NoError(t, err)
	c.add(-2 * sqlitestore.RememberFor)
	rev = putNew(t, s, "b")
	_, err = s.Apply(t.Context(), store.Delete("client", "b", rev))
	require.NoError(t, err)
	c.add(sqlitestore.RememberFor + time.Minute)
	_, err = s.Sweep(t.Context(), c.now(), 0)
	require.NoError(t, err)
	f, err := s.Changes(t.Context(), 0, 0, 0)
	require.NoError(t, err)
	require.Len(t, f.Changed, 2)
}

// Many deletions are forgotten, though not all by one Sweep.
func TestManyDeletions(t *testing.T) {
	c := newClock(day(0))
	db := openFile(t, filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{Now: c.now})
	s := tenant(t, db, "main")
	for range 3 {
		fill(t, s, store.MaxChanges)
		sweepAll(t, s)
	}
	n, err := db.Number(t.Context(), "SELECT count(*) FROM deletion")
	require.NoError(t, err)
	require.EqualValues(t, 500, n, "one for each id")
	c.add(2 * sqlitestore.RememberFor)
	sweepAll(t, s)
	n, err = db.Number(t.Context(), "SELECT count(*) FROM deletion")
	require.NoError(t, err)
	require.Zero(t, n)
}

func sweepAll(t *testing.T, s store.Store) {
	t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = s.Sweep(t.Context(), day(10_000), store.MaxLimit)
		require.NoError(t, err)
	}
}
