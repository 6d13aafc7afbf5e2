package sqlitestore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// search is a query that reads the text of every record and finds none.
var search = store.Query{Kind: "client", Text: "nowhere", Count: true}

func fillTexts(t *testing.T, s store.Store, records int) {
	t.Helper()
	var changes []store.Change
	for i := range records {
		changes = append(changes, store.Put(store.Record{Kind: "client", ID: fmt.Sprint(i), Text: fmt.Sprint("text of ", i)}))
		if len(changes) == store.MaxChanges || i == records-1 {
			_, err := s.Apply(t.Context(), changes...)
			require.NoError(t, err)
			changes = changes[:0]
		}
	}
}

// A list ends with its context, in the midst of what SQLite does.
func TestListIsInterrupted(t *testing.T) {
	_, s := openTenant(t)
	fillTexts(t, s, 5000)
	asked := endsAfter(t.Context(), 1<<30)
	_, err := s.List(asked, search)
	require.NoError(t, err)
	times := 1<<30 - asked.left.Load()
	require.Greater(t, times, int32(30), "SQLite asks while it works")
	for n := range times / 2 { // how often varies a little
		_, err := s.List(endsAfter(t.Context(), n), search)
		require.ErrorIs(t, err, context.Canceled, "when asked %d times of %d", n, times)
	}
	_, err = s.List(t.Context(), search)
	require.NoError(t, err, "the connections are as good as before")
}

// Close does not wait for a list to come to its end.
func TestCloseInterruptsList(t *testing.T) {
	db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{})
	require.NoError(t, err)
	s := tenant(t, db, "main")
	fillTexts(t, s, 5000)
	// The list closes the DB, when SQLite asks it for the tenth time.
	closed := make(chan error, 1)
	ctx := &trigger{countdown: endsAfter(t.Context(), 10), do: func() {
		go func() { closed <- db.Close() }()
		<-db.Closing()
	}}
	_, err = s.List(ctx, search)
	require.ErrorIs(t, err, store.ErrClosed)
	require.NoError(t, receive(t, closed))
}

// A trigger is a context that does something when it is asked for the n-th time.
type trigger struct {
	*countdown
	do func()
}

func (c *trigger) Err() error {
	if c.left.Add(-1) == 0 {
		c.do()
	}
	return nil
}

// However many lists there are, there is a connection for the short reads.
func TestListsLeaveRoom(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{Readers: 2})
	s := tenant(t, db, "main")
	putNew(t, s, "x")
	begun, end := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := s.List(&trigger{countdown: endsAfter(t.Context(), 5), do: func() { close(begun); <-end }}, search)
		done <- err
	}()
	<-begun
	_, err := s.Get(t.Context(), "client", "x")
	require.NoError(t, err)
	require.EqualValues(t, 1, latest(t, s))
	t.Run("another list waits, as long as its context allows", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := s.List(ctx, search)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	close(end)
	require.NoError(t, receive(t, done))
}

// A connection does not keep each shape of list that it has seen.
func TestStatementsAreBounded(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{Readers: 2})
	s := tenant(t, db, "main")
	putNew(t, s, "x")
	for shape := range 1 << 8 {
		q := store.Query{Kind: "client", Descending: shape&1 != 0, Count: shape&2 != 0}
		if shape&4 != 0 {
			q.From = "a"
		}
		if shape&8 != 0 {
			q.To = "z"
		}
		if shape&16 != 0 {
			q.ExpiresFrom = day(0)
		}
		if shape&32 != 0 {
			q.ExpiresTo = day(1)
		}
		if shape&64 != 0 {
			q.Text = "x"
		}
		if shape&128 != 0 {
			q.Labels = []store.Label{{Key: "a"}, {Key: "b"}}
		}
		for range 2 {
			_, err := s.List(t.Context(), q)
			require.NoError(t, err)
		}
		require.LessOrEqual(t, db.Statements(), 2*(sqlitestore.MaxStatements+10))
	}
	require.Greater(t, db.Statements(), sqlitestore.MaxStatements/2)
}

// The rows of labels follow the record that they belong to.
func TestLabelsFollow(t *testing.T) {
	db, s := openTenant(t)
	label := []store.Label{{Key: "team", Value: "payments"}, {Key: "all"}}
	r := store.Record{Kind: "client", ID: "x", Labels: label}
	write := func(id, sort string, expires time.Time) {
		t.Helper()
		r := r
		r.ID, r.Sort, r.Expires, r.Version = id, sort, expires, version(t, s, id)
		_, err := s.Apply(t.Context(), store.Put(r))
		require.NoError(t, err)
	}
	byLabel := func(q store.Query) (all []string) {
		t.Helper()
		q.Kind, q.Labels, q.Count = "client", label, true
		page, err := s.List(t.Context(), q)
		require.NoError(t, err)
		for _, r := range page.Records {
			all = append(all, r.ID)
		}
		require.Len(t, all, page.Total)
		return all
	}
	write("x", "1", day(1))
	write("y", "2", day(2))
	require.Equal(t, []string{"x", "y"}, byLabel(store.Query{}))
	write("x", "3", day(1))
	require.Equal(t, []string{"y", "x"}, byLabel(store.Query{}), "by the new sort key")
	require.Equal(t, []string{"x"}, byLabel(store.Query{From: "3"}))
	require.Empty(t, byLabel(store.Query{To: "2"}))
	write("x", "3", day(3))
	require.Equal(t, []string{"x"}, byLabel(store.Query{ExpiresFrom: day(3)}), "by the new expiry")
	write("x", "3", time.Time{})
	require.Equal(t, []string{"y"}, byLabel(store.Query{ExpiresFrom: day(1)}), "by none")
	n, err := db.Number(t.Context(), "SELECT count(*) FROM label")
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
	_, err = s.Apply(t.Context(), store.Delete("client", "x", version(t, s, "x")))
	require.NoError(t, err)
	_, err = s.Sweep(t.Context(), day(100), 0)
	require.NoError(t, err)
	n, err = db.Number(t.Context(), "SELECT count(*) FROM label")
	require.NoError(t, err)
	require.Zero(t, n)
}
