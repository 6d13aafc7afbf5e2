package pgstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/internal/pgtest"
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
	db := openURL(t, pgtest.Database(t), pgstore.Config{})
	names, err := db.Tenants(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	for _, name := range []string{"b", "ä", "a", "B", "a"} {
		tenant(t, db, name)
	}
	names, err = db.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"B", "a", "b", "ä"}, names, "in the order of bytes, which is not that of the database")
}

// Who asks for a new tenant at the same moment gets the same one.
func TestTenantMadeTwice(t *testing.T) {
	url := pgtest.Database(t)
	dbs := []*pgstore.DB{openURL(t, url, pgstore.Config{}), openURL(t, url, pgstore.Config{})}
	for i := range 10 {
		made := make(chan *pgstore.Store)
		for _, db := range dbs {
			go func() {
				s, err := db.Tenant(t.Context(), fmt.Sprint(i))
				if err != nil {
					t.Error(err)
				}
				made <- s
			}()
		}
		a, b := receive(t, made), receive(t, made)
		putNew(t, a, "x")
		_, err := b.Get(t.Context(), "client", "x")
		require.NoError(t, err)
	}
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

// rowsOf returns how many rows there are of each table, as a text.
func rowsOf(t *testing.T, db *pgstore.DB) string {
	t.Helper()
	var all []string
	for _, table := range []string{"record", "label", "name", "search", "deletion"} {
		all = append(all, table+" "+db.Value(t.Context(), "SELECT count(*) FROM @."+table))
	}
	return strings.Join(all, ", ")
}

func TestDeleteTenant(t *testing.T) {
	for _, c := range []struct {
		says   string
		reopen bool // delete it through another DB, as another process would
	}{{"by the same DB", false}, {"by another DB", true}} {
		t.Run(c.says, func(t *testing.T) {
			url := pgtest.Database(t)
			db := openURL(t, url, pgstore.Config{})
			gone, kept := tenant(t, db, "gone"), tenant(t, db, "kept")
			fill(t, kept, 10)
			before := rowsOf(t, db)
			fill(t, gone, 1000)
			require.NotEqual(t, before, rowsOf(t, db))
			other := db
			if c.reopen {
				other = openURL(t, url, pgstore.Config{})
			}
			since := latest(t, gone)
			waiting := make(chan error, 1)
			go func() {
				_, err := gone.Changes(t.Context(), since, time.Hour, 0)
				waiting <- err
			}()
			require.NoError(t, other.DeleteTenant(t.Context(), "gone"))
			require.ErrorIs(t, receive(t, waiting), pgstore.ErrDeleted)
			for says, call := range calls(gone) {
				err := call(t.Context())
				require.ErrorIs(t, err, pgstore.ErrDeleted, says)
				require.ErrorIs(t, err, store.ErrClosed, says)
				require.NotErrorIs(t, err, store.ErrNotFound, says)
			}
			require.Equal(t, before, rowsOf(t, db))
			require.Len(t, everything(t, kept, store.Query{Kind: "client"}), 5)

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
			require.ErrorIs(t, err, pgstore.ErrDeleted)
		})
	}
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

func TestDeleteTenantWithItsContext(t *testing.T) {
	db, _ := openTenant(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, db.DeleteTenant(ctx, "main"), context.Canceled)
	names, err := db.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"main"}, names)
}
