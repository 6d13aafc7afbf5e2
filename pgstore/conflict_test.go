package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// appending begins a transaction of another process that has appended a record
// and a name, and not committed yet.
func appending(t *testing.T, url string, s *pgstore.Store, id, name string) pgx.Tx {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	tx, err := c.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `INSERT INTO clientele.record (tenant, kind, id, version, format, sort, text, names, data)
		VALUES ($1, 'client', $2, 0, 0, '', '', json_build_array($3::text)::text, '')`, s.ID(), id, name)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "INSERT INTO clientele.name (tenant, kind, name, id) VALUES ($1, 'client', $2, $3)", s.ID(), name, id)
	require.NoError(t, err)
	return tx
}

// waiting waits until n connections of a database wait for others.
func waiting(t *testing.T, db *pgstore.DB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return db.Value(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == fmt.Sprint(n)
	}, soon, time.Millisecond)
}

// Somebody appends a record with the id or name that an Apply is about to take.
func TestAppendedAtTheSameMoment(t *testing.T) {
	for _, c := range []struct {
		says   string
		change store.Change
		commit bool
		want   error
	}{
		{"the id of a put, and commits", store.Put(store.Record{Kind: "client", ID: "x"}), true, store.ErrExists},
		{"the id of a put, and gives up", store.Put(store.Record{Kind: "client", ID: "x"}), false, nil},
		{"the name of a put, and commits", store.Put(store.Record{Kind: "client", ID: "y", Names: []string{"n"}}), true, store.ErrTaken},
		{"the name of a put, and gives up", store.Put(store.Record{Kind: "client", ID: "y", Names: []string{"n"}}), false, nil},
		{"the id of an append, and commits", store.Append(store.Record{Kind: "client", ID: "x"}), true, store.ErrExists},
		{"the id of an append, and gives up", store.Append(store.Record{Kind: "client", ID: "x"}), false, nil},
		{"the name of an append, and commits", store.Append(store.Record{Kind: "client", ID: "y", Names: []string{"n"}}), true, store.ErrTaken},
	} {
		t.Run(c.says, func(t *testing.T) {
			url := pgtest.Database(t)
			db := openURL(t, url, pgstore.Config{})
			s := tenant(t, db, "main")
			tx := appending(t, url, s, "x", "n")
			done := make(chan error, 1)
			go func() {
				_, err := s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: "beside"}), c.change)
				done <- err
			}()
			waiting(t, db, 1)
			if c.commit {
				require.NoError(t, tx.Commit(t.Context()))
			} else {
				require.NoError(t, tx.Rollback(t.Context()))
			}
			err := receive(t, done)
			_, beside := s.Get(t.Context(), "audit", "beside")
			if c.want == nil {
				require.NoError(t, err)
				require.NoError(t, beside)
				return
			}
			var refused *store.ChangeError
			require.ErrorAs(t, err, &refused)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, 1, refused.Index)
			require.ErrorIs(t, beside, store.ErrNotFound)
		})
	}
}

// Two processes append what the other one has, each in an order of its own.
func TestDeadlock(t *testing.T) {
	url := pgtest.Database(t)
	db := openURL(t, url, pgstore.Config{})
	s := tenant(t, db, "main")
	pgtest.Exec(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''10ms''', current_database()); END $$")
	other := appending(t, url, s, "b", "n")
	done := make(chan error, 1)
	go func() { // has a, wants b
		_, err := s.Apply(t.Context(), store.Append(store.Record{Kind: "client", ID: "a"}), store.Append(store.Record{Kind: "client", ID: "b"}))
		done <- err
	}()
	waiting(t, db, 1)
	_, err := other.Exec(t.Context(), `INSERT INTO clientele.record (tenant, kind, id, version, format, sort, text, data)
		VALUES ($1, 'client', 'a', 0, 0, '', '', '')`, s.ID()) // has b, wants a
	if err == nil { // the server has undone the store's, which is made again
		require.NoError(t, other.Commit(t.Context()))
		require.ErrorIs(t, receive(t, done), store.ErrExists)
		return
	}
	require.ErrorContains(t, err, "40P01")
	require.NoError(t, other.Rollback(t.Context()))
	require.NoError(t, receive(t, done))
}

// A database whose transactions are serialisable refuses some of them, which are
// made again.
func TestSerialisable(t *testing.T) {
	url := pgtest.Database(t)
	pgtest.Exec(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$")
	s := tenant(t, openURL(t, url, pgstore.Config{}), "main")
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 30 {
				id := fmt.Sprint(i)
				_, err := s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: id}), store.Append(store.Record{Kind: "audit", ID: fmt.Sprint(id, " of ", g)}))
				if err != nil && !errors.Is(err, store.ErrExists) {
					t.Error(err)
				}
				_, err = s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: fmt.Sprint(id, " of ", g)}))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Len(t, everything(t, s, store.Query{Kind: "audit"}), 30+30)
	require.Len(t, everything(t, s, store.Query{Kind: "client"}), 8*30)
}

// What is refused leaves no error in the log of the server, and no rows behind.
func TestRefusalsAreQuiet(t *testing.T) {
	server := pgtest.Start(t, nil)
	s := tenant(t, openURL(t, server.URL("postgres"), pgstore.Config{}), "main")
	r := store.Record{Kind: "spent", ID: "x", Names: []string{"n"}, Labels: []store.Label{{Key: "l"}}, Expires: day(0)}
	_, err := s.Apply(t.Context(), store.Append(r))
	require.NoError(t, err)
	for range 20 {
		_, err := s.Apply(t.Context(), store.Append(r))
		require.ErrorIs(t, err, store.ErrExists)
		_, err = s.Apply(t.Context(), store.Put(r))
		require.ErrorIs(t, err, store.ErrExists)
		_, err = s.Apply(t.Context(), store.Append(store.Record{Kind: "spent", ID: "y", Names: []string{"n"}}))
		require.ErrorIs(t, err, store.ErrTaken)
	}
	for line := range strings.Lines(server.Log()) {
		require.NotContains(t, line, "ERROR")
	}
}
