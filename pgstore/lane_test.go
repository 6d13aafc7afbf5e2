package pgstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// hold keeps a tenant locked, as a write of another process does, until the
// function that it returns is called.
func hold(t *testing.T, url string, s *pgstore.Store) (release func()) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	tx, err := c.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM clientele.tenant WHERE id = $1 FOR NO KEY UPDATE", s.ID())
	require.NoError(t, err)
	return func() {
		t.Helper()
		require.NoError(t, tx.Rollback(t.Context()))
	}
}

// occupy begins an Apply that does not come to its end, so that others wait for
// their turn.
func occupy(t *testing.T, s *pgstore.Store, ctx context.Context, id string) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: id}))
		done <- err
	}()
	s.WaitQueued(t.Context(), 0)
	return done
}

// Applies that wait for their turn are made in one transaction, in their order.
func TestAppliesAreGrouped(t *testing.T) {
	url := pgtest.Database(t)
	db := openURL(t, url, pgstore.Config{})
	s := tenant(t, db, "main")
	release := hold(t, url, s)
	first := occupy(t, s, t.Context(), "first")
	const n = 64
	revs := make([]chan store.Revision, n)
	for i := range n {
		revs[i] = make(chan store.Revision, 1)
		go func() {
			rev, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: fmt.Sprint(i)}))
			if err != nil {
				t.Error(err)
			}
			revs[i] <- rev
		}()
		s.WaitQueued(t.Context(), i+1)
	}
	release()
	require.NoError(t, receive(t, first))
	for i := range n {
		require.EqualValues(t, i+2, receive(t, revs[i]))
	}
	require.Equal(t, "2", db.Value(t.Context(), "SELECT count(DISTINCT xmin::text) FROM @.record"))
}

// An Apply whose caller leaves before its turn is not made.
func TestLeavingBeforeTheTurn(t *testing.T) {
	url := pgtest.Database(t)
	s := tenant(t, openURL(t, url, pgstore.Config{}), "main")
	release := hold(t, url, s)
	first := occupy(t, s, t.Context(), "first")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "left"}))
		left <- err
	}()
	s.WaitQueued(t.Context(), 1)
	cancel()
	err := receive(t, left)
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, err.Error(), "unknown")
	release()
	require.NoError(t, receive(t, first))
	putNew(t, s, "after")
	_, err = s.Get(t.Context(), "client", "left")
	require.ErrorIs(t, err, store.ErrNotFound)
}

// One whose caller leaves too late has an unknown outcome; and if nobody else
// waits for the transaction, it is given up, so that it keeps nobody waiting.
func TestLeavingTooLate(t *testing.T) {
	url := pgtest.Database(t)
	s := tenant(t, openURL(t, url, pgstore.Config{Timeout: 10 * time.Minute}), "main")
	release := hold(t, url, s)
	ctx, cancel := context.WithCancel(t.Context())
	first := occupy(t, s, ctx, "first")
	cancel()
	err := receive(t, first)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "the outcome is unknown")
	require.Eventually(t, func() bool { return !s.Working() }, soon, 1e6)
	release()
	putNew(t, s, "after")
	_, err = s.Get(t.Context(), "client", "first")
	require.ErrorIs(t, err, store.ErrNotFound)
}

// What the caller changes after it has left does no harm.
func TestLeavingWithTheData(t *testing.T) {
	url := pgtest.Database(t)
	db := openURL(t, url, pgstore.Config{})
	s := tenant(t, db, "main")
	release := hold(t, url, s)
	first := occupy(t, s, t.Context(), "first")
	waiting(t, db, 1)
	// Another process is next, and then the transaction of x and y.
	held := make(chan func(), 1)
	go func() { held <- hold(t, url, s) }()
	waiting(t, db, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := []store.Change{store.Put(store.Record{
		Kind: "client", ID: "x", Data: []byte("data"), Names: []string{"name"}, Labels: []store.Label{{Key: "label"}},
	})}
	x, y := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.Apply(ctx, changes...)
		x <- err
	}()
	s.WaitQueued(t.Context(), 1)
	go func() { // keeps the transaction going
		_, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "y"}))
		y <- err
	}()
	s.WaitQueued(t.Context(), 2)
	release()
	require.NoError(t, receive(t, first))
	release = receive(t, held)
	s.WaitQueued(t.Context(), 0)
	cancel()
	require.ErrorContains(t, receive(t, x), "the outcome is unknown")
	r := &changes[0].Record
	r.Data[0], r.Names[0], r.Labels[0].Key = '!', "!", "!"
	release()
	require.NoError(t, receive(t, y))
	got, err := s.Get(t.Context(), "client", "x")
	require.NoError(t, err)
	require.Equal(t, "data", string(got.Data))
	require.Equal(t, []string{"name"}, got.Names)
	require.Equal(t, []store.Label{{Key: "label"}}, got.Labels)
}

// Close finishes the write that has begun, and refuses those that wait.
func TestCloseWithWritersWaiting(t *testing.T) {
	url := pgtest.Database(t)
	db := openURL(t, url, pgstore.Config{})
	s := tenant(t, db, "main")
	release := hold(t, url, s)
	first := occupy(t, s, t.Context(), "first")
	second := make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "second"}))
		second <- err
	}()
	s.WaitQueued(t.Context(), 1)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	require.ErrorIs(t, receive(t, second), store.ErrClosed)
	select {
	case err := <-closed:
		require.FailNow(t, "closed before the write was finished", err)
	default:
	}
	release()
	require.NoError(t, receive(t, first))
	require.NoError(t, receive(t, closed))
	s = tenant(t, openURL(t, url, pgstore.Config{}), "main")
	_, err := s.Get(t.Context(), "client", "first")
	require.NoError(t, err)
}

// Whatever is made in one transaction is as if it were made one by one.
func TestGroupsAreLikeOneByOne(t *testing.T) {
	url := pgtest.Database(t)
	db := openURL(t, url, pgstore.Config{})
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := tenant(t, db, fmt.Sprint(seed))
			model := memstore.New()
			defer model.Close()
			g := newGenerator(seed, model)
			for range 5 {
				g.round(t, url, s, 12)
			}
			g.compare(t, s)
		})
	}
}
