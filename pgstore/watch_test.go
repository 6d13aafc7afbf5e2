package pgstore_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// A woken is what a waiting Changes returned, and when.
type woken struct {
	feed store.Feed
	err  error
	at   time.Time
}

// wait lets Changes wait for news, by somebody who listens or asks already.
func wait(t *testing.T, s *pgstore.Store, wait time.Duration) <-chan woken {
	t.Helper()
	since := latest(t, s)
	done := make(chan woken, 1)
	go func() {
		feed, err := s.Changes(t.Context(), since, wait, 0)
		done <- woken{feed, err, time.Now()}
	}()
	s.WaitWatched(t.Context())
	return done
}

// listening waits until n connections of a database listen.
func listening(t *testing.T, db *pgstore.DB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return db.Value(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'") == strconv.Itoa(n)
	}, soon, 5*time.Millisecond)
}

// With notifications alone, what another process commits is heard of at once.
func TestNotification(t *testing.T) {
	url := pgtest.Database(t)
	slow := pgstore.Config{PollInterval: 10 * time.Minute}
	here, there := openURL(t, url, slow), openURL(t, url, slow)
	s, other := tenant(t, here, "main"), tenant(t, there, "main")
	done := wait(t, s, time.Hour)
	listening(t, here, 1)
	for i := range 20 {
		if i > 0 {
			done = wait(t, s, time.Hour)
		}
		begun := time.Now()
		putNew(t, other, strconv.Itoa(i))
		w := receive(t, done)
		require.NoError(t, w.err)
		require.Len(t, w.feed.Changed, 1)
		require.Less(t, w.at.Sub(begun), 5*time.Second)
	}
	done = wait(t, s, time.Hour)
	require.NoError(t, there.DeleteTenant(t.Context(), "main"))
	require.ErrorIs(t, receive(t, done).err, store.ErrDeleted)
}

// A connection that listens is made again when it was lost, and what was missed
// meanwhile is heard of.
func TestListeningAgain(t *testing.T) {
	url := pgtest.Database(t)
	slow := pgstore.Config{PollInterval: 10 * time.Minute}
	here, there := openURL(t, url, slow), openURL(t, url, slow)
	s, other := tenant(t, here, "main"), tenant(t, there, "main")
	done := wait(t, s, time.Hour)
	listening(t, here, 1)
	there.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
	putNew(t, other, "missed")
	w := receive(t, done)
	require.NoError(t, w.err)
	require.Len(t, w.feed.Changed, 1)
	done = wait(t, s, time.Hour)
	listening(t, here, 1)
	putNew(t, other, "heard")
	require.NoError(t, receive(t, done).err)
}

// Without notifications, it is heard of within the interval of polling.
func TestPolling(t *testing.T) {
	url := pgtest.Database(t)
	for _, interval := range []time.Duration{10 * time.Millisecond, 300 * time.Millisecond} {
		here := openURL(t, url, pgstore.Config{PgBouncer: true, PollInterval: interval})
		there := openURL(t, url, pgstore.Config{PgBouncer: true, PollInterval: 10 * time.Minute})
		s, other := tenant(t, here, "main"), tenant(t, there, "main")
		for range 5 {
			done := wait(t, s, time.Hour)
			begun := time.Now()
			putNew(t, other, strconv.FormatInt(begun.UnixNano(), 10))
			w := receive(t, done)
			require.NoError(t, w.err)
			require.Len(t, w.feed.Changed, 1)
			require.Less(t, w.at.Sub(begun), interval+2*time.Second)
		}
		require.Equal(t, "0", here.Value(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"))
	}
}

// What anybody may send by the channel does no harm.
func TestForeignNotifications(t *testing.T) {
	db, s := openTenant(t)
	done := wait(t, s, time.Hour)
	listening(t, db, 1)
	for _, text := range []string{"", " ", "x", "x y", "x 99999999999999", "x -1", "x 2147483647", "x " + strconv.Itoa(int(s.ID())), "a b c"} {
		db.Exec(t.Context(), `SELECT pg_notify('`+db.Channel()+`', '`+text+`')`)
	}
	putNew(t, s, "x")
	w := receive(t, done)
	require.NoError(t, w.err)
	require.Len(t, w.feed.Changed, 1, "and it was not woken for nothing")
}

// An error while somebody waits is told, rather than that nothing happens.
func TestWaitingWhenTheServerGoes(t *testing.T) {
	server := pgtest.Start(t, nil)
	db := openURL(t, server.URL("postgres"), pgstore.Config{PollInterval: 20 * time.Millisecond})
	s := tenant(t, db, "main")
	done := wait(t, s, time.Hour)
	server.Shutdown()
	require.Error(t, receive(t, done).err)
	server.Restart(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := s.Changes(t.Context(), 0, 0, 0)
		require.NoError(c, err)
	}, soon, 20*time.Millisecond)
	done = wait(t, s, time.Hour)
	putNew(t, s, "x")
	require.NoError(t, receive(t, done).err)
}

// Close ends everything that was begun.
func TestCloseLeavesNothing(t *testing.T) {
	url := pgtest.Database(t)
	require.Eventually(t, func() bool {
		before := runtime.NumGoroutine()
		db, err := pgstore.Open(t.Context(), url, pgstore.Config{})
		require.NoError(t, err)
		s := tenant(t, db, "main")
		done := wait(t, s, time.Hour)
		putNew(t, s, strconv.FormatInt(time.Now().UnixNano(), 10))
		receive(t, done)
		listening(t, db, 1)
		require.NoError(t, db.Close())
		require.NoError(t, db.Close(), "a second time")
		// Goroutines of other tests may still be ending.
		return runtime.NumGoroutine() <= before
	}, soon, time.Millisecond)
}
