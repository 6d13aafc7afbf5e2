package sqlitestore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

func TestTenantNames(t *testing.T) {
	db, _ := openTenant(t)
	for says, name := range map[string]string{
		"one byte":              "x",
		"255 bytes":             strings.Repeat("x", 255),
		"any text":              `zoë's "team"; DROP TABLE tenant --`,
		"another case is other": "MAIN",
		"a space is a name":     " ",
	} {
		t.Run(says, func(t *testing.T) {
			s := tenant(t, db, name)
			rev, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "x"}))
			require.NoError(t, err)
			require.EqualValues(t, 1, rev, "the first of a new tenant")
		})
	}
	for says, name := range map[string]string{
		"empty":             "",
		"256 bytes":         strings.Repeat("x", 256),
		"not UTF-8":         "x\xff",
		"with a NUL":        "x\x00y",
		"with a line break": "x\ny",
		"with a C1 control": "x\u0085",
	} {
		t.Run(says, func(t *testing.T) {
			_, err := db.Tenant(t.Context(), name)
			require.ErrorIs(t, err, store.ErrInvalid)
		})
	}
}

func TestTenants(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{})
	names, err := db.Tenants(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	for _, name := range []string{"b", "ä", "a", "B", "a"} {
		tenant(t, db, name)
	}
	names, err = db.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"B", "a", "b", "ä"}, names)
}

// fill gives a tenant something in every table.
func fill(t *testing.T, s store.Store, records int) {
	t.Helper()
	var changes []store.Change
	for i := range records {
		id := fmt.Sprint(i)
		changes = append(changes, store.Put(store.Record{
			Kind: "client", ID: id, Names: []string{"name of " + id}, Labels: []store.Label{{Key: "team", Value: id}, {Key: "all"}},
			Text: id, Sort: id, Expires: day(i), Data: []byte(`{}`),
		}))
	}
	rev, err := s.Apply(t.Context(), changes...)
	require.NoError(t, err)
	var deletions []store.Change
	for i := range records / 2 {
		deletions = append(deletions, store.Delete("client", fmt.Sprint(i), rev))
	}
	_, err = s.Apply(t.Context(), deletions...)
	require.NoError(t, err)
}

// rowsOf returns how many rows of all tables are not those of a tenant called
// kept.
func rowsOf(t *testing.T, db *sqlitestore.DB, kept string) (n int64) {
	t.Helper()
	for _, table := range []string{"record", "label", "name", "deletion"} {
		rows, err := db.Number(t.Context(), "SELECT count(*) FROM "+table+" WHERE tenant <> (SELECT id FROM tenant WHERE name = '"+kept+"')")
		require.NoError(t, err)
		n += rows
	}
	return n
}

func TestDeleteTenant(t *testing.T) {
	for _, c := range []struct {
		says   string
		reopen bool // delete it through another DB, as another process would
	}{{"by the same DB", false}, {"by another DB", true}} {
		t.Run(c.says, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clientele.db")
			db := openFile(t, path, sqlitestore.Config{})
			gone, kept := tenant(t, db, "gone"), tenant(t, db, "kept")
			fill(t, kept, 10)
			fill(t, gone, 600)
			require.Positive(t, rowsOf(t, db, "kept"))
			other := db
			if c.reopen {
				other = openFile(t, path, sqlitestore.Config{})
			}
			since := latest(t, gone)
			waiting := make(chan error, 1)
			go func() {
				_, err := gone.Changes(t.Context(), since, time.Hour, 0)
				waiting <- err
			}()
			require.NoError(t, other.DeleteTenant(t.Context(), "gone"))
			require.ErrorIs(t, receive(t, waiting), sqlitestore.ErrDeleted)
			for says, call := range calls(gone) {
				err := call(t.Context())
				require.ErrorIs(t, err, sqlitestore.ErrDeleted, says)
				require.ErrorIs(t, err, store.ErrClosed, says)
				require.NotErrorIs(t, err, store.ErrNotFound, says)
			}
			require.Zero(t, rowsOf(t, db, "kept"))
			page, err := kept.List(t.Context(), store.Query{Kind: "client", Count: true})
			require.NoError(t, err)
			require.Equal(t, 5, page.Total)

			require.ErrorIs(t, other.DeleteTenant(t.Context(), "gone"), store.ErrNotFound)
			names, err := db.Tenants(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"kept"}, names)

			// The name is free, and who comes by it does not get the old data,
			// nor does the old Store get the new.
			again := tenant(t, db, "gone")
			require.EqualValues(t, 0, latest(t, again))
			fill(t, again, 2)
			_, err = gone.Get(t.Context(), "client", "1")
			require.ErrorIs(t, err, sqlitestore.ErrDeleted)
		})
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

func latest(t *testing.T, s store.Store) store.Revision {
	t.Helper()
	feed, err := s.Changes(t.Context(), store.Latest, 0, 0)
	require.NoError(t, err)
	return feed.Revision
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		require.FailNow(t, "nothing comes")
		panic("unreachable")
	}
}

// A deletion that was interrupted leaves rows that Sweep removes.
func TestDeleteTenantInterrupted(t *testing.T) {
	db, kept := openTenant(t)
	fill(t, tenant(t, db, "gone"), 1000)
	// The context ends when the writer asks for the second time, before the
	// second transaction.
	ctx := endsAfter(t.Context(), 3)
	require.ErrorIs(t, db.DeleteTenant(ctx, "gone"), context.Canceled)
	names, err := db.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"main"}, names)
	left := rowsOf(t, db, "main")
	require.Positive(t, left)
	for left > 0 {
		_, err = kept.Sweep(t.Context(), day(0), 0)
		require.NoError(t, err)
		now := rowsOf(t, db, "main")
		require.Less(t, now, left, "each Sweep removes some")
		left = now
	}
	_, err = kept.Sweep(t.Context(), day(0), 0)
	require.NoError(t, err)
	n, err := db.Number(t.Context(), "SELECT count(*) FROM deleted_tenant")
	require.NoError(t, err)
	require.Zero(t, n)
}
