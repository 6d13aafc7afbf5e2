package sqlitestore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

func put(id string) store.Change { return store.Put(store.Record{Kind: "client", ID: id}) }

// applying begins an Apply and returns the way to its error.
func applying(ctx context.Context, s store.Store, changes ...store.Change) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := s.Apply(ctx, changes...)
		result <- err
	}()
	return result
}

func ids(t *testing.T, s store.Store) (all []string) {
	t.Helper()
	page, err := s.List(t.Context(), store.Query{Kind: "client", Limit: store.MaxLimit})
	require.NoError(t, err)
	for _, r := range page.Records {
		all = append(all, r.ID)
	}
	return all
}

// commits counts the commits in the write-ahead log: the frames that say how
// large the file is after them.
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	log, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	const header, frameHeader = 32, 24
	salts := string(log[16:24])
	frame := frameHeader + int(binary.BigEndian.Uint32(log[8:]))
	for at := header; at+frame <= len(log) && string(log[at+8:at+16]) == salts; at += frame {
		if binary.BigEndian.Uint32(log[at+4:]) != 0 {
			n++
		}
	}
	return n
}

// Who waits together is committed together; who fails does so alone.
func TestGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clientele.db")
	db := openFile(t, path, sqlitestore.Config{})
	s, other := tenant(t, db, "main"), tenant(t, db, "other")
	_, err := s.Apply(t.Context(), put("there"))
	require.NoError(t, err)
	before := commits(t, path)

	release := db.Hold(t.Context())
	var queued int
	queue := func(ctx context.Context, s store.Store, changes ...store.Change) <-chan error {
		result := applying(ctx, s, changes...)
		queued++
		db.WaitQueued(t.Context(), queued)
		return result
	}
	inNewKind := store.Append(store.Record{Kind: "new", ID: "x"})
	a := queue(t.Context(), s, put("a"), put("b"))
	refused := queue(t.Context(), s, inNewKind, put("c"), put("there"))
	b := queue(t.Context(), other, put("a"), put("there"))
	cancelled := queue(endsAfter(t.Context(), 3), s, put("d"), put("e"))
	c := queue(t.Context(), s, inNewKind)
	deleted := make(chan error, 1)
	go func() { deleted <- db.DeleteTenant(t.Context(), "none") }()
	db.WaitQueued(t.Context(), queued+1)
	release()

	for _, result := range []<-chan error{a, b, c} {
		require.NoError(t, receive(t, result))
	}
	var change *store.ChangeError
	require.ErrorAs(t, receive(t, refused), &change)
	require.Equal(t, store.ChangeError{Index: 2, Kind: "client", ID: "there", Err: store.ErrExists}, *change)
	require.ErrorIs(t, receive(t, cancelled), context.Canceled)
	require.ErrorIs(t, receive(t, deleted), store.ErrNotFound)
	require.Equal(t, []string{"a", "b", "there"}, ids(t, s))
	require.Equal(t, []string{"a", "there"}, ids(t, other))
	// Whoever opens the file finds the kind that the refused one added first.
	_, err = tenant(t, openFile(t, path, sqlitestore.Config{}), "main").Get(t.Context(), "new", "x")
	require.NoError(t, err)
	require.Equal(t, 1, commits(t, path)-before)
	require.EqualValues(t, 2, latest(t, s), "a refused Apply takes no revision")
}

// A group whose Applies all fail commits nothing.
func TestGroupOfFailures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clientele.db")
	db := openFile(t, path, sqlitestore.Config{})
	s := tenant(t, db, "main")
	_, err := s.Apply(t.Context(), put("there"))
	require.NoError(t, err)
	before := commits(t, path)
	release := db.Hold(t.Context())
	results := []<-chan error{applying(t.Context(), s, put("a"), put("there")), applying(t.Context(), s, put("b"), put("there"))}
	db.WaitQueued(t.Context(), 2)
	release()
	for _, result := range results {
		require.ErrorIs(t, receive(t, result), store.ErrExists)
	}
	require.Equal(t, []string{"there"}, ids(t, s))
	require.Equal(t, before, commits(t, path))
}

func TestQueueIsBounded(t *testing.T) {
	db, s := openTenant(t)
	release := db.Hold(t.Context())
	var results []<-chan error
	for i := range sqlitestore.MaxQueue {
		results = append(results, applying(t.Context(), s, put(strconv.Itoa(i))))
	}
	db.WaitQueued(t.Context(), sqlitestore.MaxQueue)
	// One more waits for room, and may leave.
	ctx, cancel := context.WithCancel(t.Context())
	more := applying(ctx, s, put("more"))
	cancel()
	require.ErrorIs(t, receive(t, more), context.Canceled)
	release()
	for _, result := range results {
		require.NoError(t, receive(t, result))
	}
	require.Len(t, ids(t, s), sqlitestore.MaxQueue)
}

// Who leaves the queue leaves nothing behind, and need not wait for who is at
// work.
func TestLeaveTheQueue(t *testing.T) {
	db, s := openTenant(t)
	release := db.Hold(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	result := applying(ctx, s, put("a"))
	db.WaitQueued(t.Context(), 1)
	cancel()
	require.ErrorIs(t, receive(t, result), context.Canceled)
	release()
	_, err := s.Apply(t.Context(), put("b"))
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, ids(t, s))
	require.EqualValues(t, 1, latest(t, s))
}

// lock keeps the file locked, as another process that writes does.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	c, err := sqlite3.Open(path)
	require.NoError(t, err)
	require.NoError(t, c.Exec("BEGIN IMMEDIATE"))
	return func() { require.NoError(t, c.Close()) }
}

func TestLockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clientele.db")
	patient := openFile(t, path, sqlitestore.Config{BusyTimeout: time.Hour})
	hasty := openFile(t, path, sqlitestore.Config{BusyTimeout: time.Millisecond})
	s, h := tenant(t, patient, "main"), tenant(t, hasty, "main")
	unlock := lock(t, path)

	t.Run("a write gives up after BusyTimeout", func(t *testing.T) {
		_, err := h.Apply(t.Context(), put("hasty"))
		require.ErrorIs(t, err, sqlite3.BUSY)
		require.ErrorContains(t, err, "another process keeps the file locked")
		var change *store.ChangeError
		require.False(t, errors.As(err, &change))
	})
	t.Run("a write whose context ends does not wait on", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := s.Apply(ctx, put("cancelled"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("reads do not wait", func(t *testing.T) {
		_, err := s.Get(t.Context(), "client", "x")
		require.ErrorIs(t, err, store.ErrNotFound)
		require.Empty(t, ids(t, s))
	})
	t.Run("a database can be opened", func(t *testing.T) {
		openFile(t, path, sqlitestore.Config{})
	})
	t.Run("a write waits for its turn", func(t *testing.T) {
		result := applying(t.Context(), s, put("patient"))
		select {
		case err := <-result:
			t.Errorf("Apply = %v while the file was locked", err)
		case <-time.After(20 * time.Millisecond):
		}
		unlock()
		require.NoError(t, receive(t, result))
	})
	require.Equal(t, []string{"patient"}, ids(t, s))
}

// While one group waits for the lock, Close ends the wait.
func TestCloseWhileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clientele.db")
	db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{BusyTimeout: time.Hour})
	require.NoError(t, err)
	s := tenant(t, db, "main")
	unlock := lock(t, path)
	defer unlock()
	results := make([]<-chan error, 20)
	for i := range results {
		results[i] = applying(t.Context(), s, put(fmt.Sprint(i)))
	}
	require.NoError(t, db.Close())
	for _, result := range results {
		require.ErrorIs(t, receive(t, result), store.ErrClosed)
	}
}

// A change that is refused because of another of its group is refused when that
// one can be read, and not before.
func TestARefusalIsNoEarlierThanItsReason(t *testing.T) {
	db, s := openTenant(t)
	for i := range 50 {
		id := fmt.Sprint(i)
		release := db.Hold(t.Context())
		first := applying(t.Context(), s, put(id))
		db.WaitQueued(t.Context(), 1)
		second := applying(t.Context(), s, put(id))
		db.WaitQueued(t.Context(), 2)
		release()
		require.ErrorIs(t, receive(t, second), store.ErrExists)
		_, err := s.Get(t.Context(), "client", id)
		require.NoError(t, err)
		require.NoError(t, receive(t, first))
	}
}
