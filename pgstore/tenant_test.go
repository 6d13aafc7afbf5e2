package pgstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
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

// rowsOf returns how many rows there are of each table, as a text.
func rowsOf(t *testing.T, db *pgstore.DB) string {
	t.Helper()
	var all []string
	for _, table := range []string{"record", "label", "name", "search", "deletion"} {
		all = append(all, table+" "+db.Value(t.Context(), "SELECT count(*) FROM @."+table))
	}
	return strings.Join(all, ", ")
}

// A deleted tenant leaves no row in any table.
func TestDeleteTenant(t *testing.T) {
	db, kept := openTenant(t)
	fill(t, kept, 10)
	before := rowsOf(t, db)
	fill(t, tenant(t, db, "gone"), 1000)
	require.NotEqual(t, before, rowsOf(t, db))
	require.NoError(t, db.DeleteTenant(t.Context(), "gone"))
	require.Equal(t, before, rowsOf(t, db))
}

// A deletion that was interrupted leaves rows that Sweep removes, and so does an
// Append that comes to its end after its tenant was deleted.
func TestDeletedTenantLeavesRows(t *testing.T) {
	db, kept := openTenant(t)
	before := rowsOf(t, db)
	fill(t, tenant(t, db, "gone"), 1000)
	db.Exec(t.Context(), "WITH gone AS (DELETE FROM @.tenant WHERE name = 'gone' RETURNING id) INSERT INTO @.deleted_tenant SELECT id FROM gone")
	left := rowsOf(t, db)
	for left != before {
		_, err := kept.Sweep(t.Context(), day(0), 0)
		require.NoError(t, err)
		now := rowsOf(t, db)
		require.NotEqual(t, left, now, "each Sweep removes some")
		left = now
	}
	// It comes to its end.
	db.Exec(t.Context(), "INSERT INTO @.record (tenant, kind, id, version, format, sort, text, data) SELECT id, 'audit', 'late', 0, 0, '', '', '' FROM @.deleted_tenant")
	_, err := kept.Sweep(t.Context(), day(0), 0)
	require.NoError(t, err)
	require.Equal(t, before, rowsOf(t, db))
	require.Equal(t, "1", db.Value(t.Context(), "SELECT count(*) FROM @.deleted_tenant"))

	db.Exec(t.Context(), "UPDATE @.deleted_tenant SET at = at - interval '61 minutes'")
	_, err = kept.Sweep(t.Context(), day(0), 0)
	require.NoError(t, err)
	require.Equal(t, "0", db.Value(t.Context(), "SELECT count(*) FROM @.deleted_tenant"), "nothing can come anymore")
}
