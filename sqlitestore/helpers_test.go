package sqlitestore_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
)

// openFile opens a database and closes it at the end of the test.
func openFile(t testing.TB, path string, cfg sqlitestore.Config) *sqlitestore.DB {
	t.Helper()
	db, err := sqlitestore.Open(t.Context(), path, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// openTenant opens a tenant of a new database.
func openTenant(t testing.TB) (*sqlitestore.DB, *sqlitestore.Store) {
	t.Helper()
	db := openFile(t, filepath.Join(t.TempDir(), "clientele.db"), sqlitestore.Config{})
	return db, tenant(t, db, "main")
}

func tenant(t testing.TB, db *sqlitestore.DB, name string) *sqlitestore.Store {
	t.Helper()
	s, err := db.Tenant(t.Context(), name)
	require.NoError(t, err)
	return s
}

// day returns a time n days after some beginning.
func day(n int) time.Time { return time.Date(2130, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// A countdown is a context that says it is done from the n-th question on.
type countdown struct {
	context.Context
	left atomic.Int32
}

func endsAfter(ctx context.Context, n int32) *countdown {
	c := &countdown{Context: ctx}
	c.left.Store(n)
	return c
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}
