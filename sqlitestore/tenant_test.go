package sqlitestore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

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

// A deleted tenant leaves no row in any table.
func TestDeleteTenant(t *testing.T) {
	db, kept := openTenant(t)
	fill(t, kept, 10)
	fill(t, tenant(t, db, "gone"), 600)
	require.Positive(t, rowsOf(t, db, "main"))
	require.NoError(t, db.DeleteTenant(t.Context(), "gone"))
	require.Zero(t, rowsOf(t, db, "main"))
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
