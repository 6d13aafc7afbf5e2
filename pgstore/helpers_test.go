package pgstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// openURL opens a database and closes it at the end of the test.
func openURL(t testing.TB, url string, cfg pgstore.Config) *pgstore.DB {
	t.Helper()
	db, err := pgstore.Open(t.Context(), url, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// openTenant opens a tenant of a new database, which may be slow: no test that calls
// it is about time.
func openTenant(t testing.TB) (*pgstore.DB, *pgstore.Store) {
	t.Helper()
	db := openURL(t, pgtest.Database(t), pgstore.Config{Timeout: time.Minute})
	return db, tenant(t, db, "main")
}

func tenant(t testing.TB, db *pgstore.DB, name string) *pgstore.Store {
	t.Helper()
	s, err := db.Tenant(t.Context(), name)
	require.NoError(t, err)
	return s
}

// day returns a time n days after some beginning.
func day(n int) time.Time { return time.Date(2130, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// fillClients puts records as API clients look, with names in another order
// than the ids.
func fillClients(t testing.TB, s store.Store, records int) {
	t.Helper()
	changes := make([]store.Change, 0, store.MaxChanges)
	for i := range records {
		name := fmt.Sprintf("service %d of team %d", i*7919%records, i%97)
		changes = append(changes, store.Put(store.Record{
			Kind: "client", ID: fmt.Sprint(i), Names: []string{name}, Text: name, Sort: name, Data: make([]byte, 700),
			Labels: []store.Label{{Key: "team", Value: fmt.Sprint(i % 97)}, {Key: "half", Value: fmt.Sprint(i % 2)}},
		}))
		if len(changes) == cap(changes) || i == records-1 {
			_, err := s.Apply(t.Context(), changes...)
			require.NoError(t, err)
			changes = changes[:0]
		}
	}
}

// putNew puts a record that does not exist.
func putNew(t testing.TB, s store.Store, id string) store.Record {
	t.Helper()
	r := store.Record{Kind: "client", ID: id}
	rev, err := s.Apply(t.Context(), store.Put(r))
	require.NoError(t, err)
	r.Version = rev
	return r
}

func latest(t testing.TB, s store.Store) store.Revision {
	t.Helper()
	feed, err := s.Changes(t.Context(), store.Latest, 0, 0)
	require.NoError(t, err)
	return feed.Revision
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		require.FailNow(t, "nothing comes")
		panic("unreachable")
	}
}

// calls returns one call of each method.
func calls(s store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get":  func(ctx context.Context) error { _, err := s.Get(ctx, "client", "1"); return err },
		"List": func(ctx context.Context) error { _, err := s.List(ctx, store.Query{Kind: "client"}); return err },
		"Apply of a put": func(ctx context.Context) error {
			_, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "new"}))
			return err
		},
		"Apply of an append": func(ctx context.Context) error {
			_, err := s.Apply(ctx, store.Append(store.Record{Kind: "audit", ID: "new"}))
			return err
		},
		"Changes":          func(ctx context.Context) error { _, err := s.Changes(ctx, 0, 0, 0); return err },
		"Changes, waiting": func(ctx context.Context) error { _, err := s.Changes(ctx, 0, time.Hour, 0); return err },
		"Latest":           func(ctx context.Context) error { _, err := s.Changes(ctx, store.Latest, 0, 0); return err },
		"Sweep":            func(ctx context.Context) error { _, err := s.Sweep(ctx, day(0), 0); return err },
	}
}
