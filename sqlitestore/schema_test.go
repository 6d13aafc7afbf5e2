package sqlitestore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

func TestViews(t *testing.T) {
	db, s := openTenant(t)
	label := []store.Label{{Key: "team", Value: "payments"}}
	_, err := s.Apply(t.Context(),
		store.Put(store.Record{Kind: "client", ID: "c1", Names: []string{"billing"}, Labels: label, Sort: "billing", Format: 1, Data: []byte(`{"name":"Billing"}`)}),
		store.Append(store.Record{Kind: "token", ID: "t1", Sort: "2026", Expires: time.Date(2026, 7, 1, 12, 0, 0, 5000, time.UTC), Data: []byte(`{}`)}),
		store.Append(store.Record{Kind: "audit", ID: "a1", Data: []byte("not JSON \xff")}),
		store.Append(store.Record{Kind: "other", ID: "o1"}),
	)
	require.NoError(t, err)
	_, err = tenant(t, db, "other").Apply(t.Context(), put("c2"))
	require.NoError(t, err)
	for sql, want := range map[string][]string{
		"SELECT tenant || ' ' || id FROM api_clients ORDER BY 1":                                             {"main c1", "other c2"},
		"SELECT id || ' ' || version || ' ' || sort || ' ' || format FROM api_clients WHERE tenant = 'main'": {"c1 1 billing 1"},
		"SELECT names || labels FROM api_clients WHERE id = 'c1'":                                            {`["billing"][["team","payments"]]`},
		"SELECT data ->> 'name' FROM api_clients WHERE id = 'c1'":                                            {"Billing"},
		"SELECT coalesce(expires, 'never') FROM api_clients WHERE id = 'c1'":                                 {"never"},
		"SELECT expires FROM issued_tokens":                                                                  {"2026-07-01T12:00:00Z"},
		"SELECT id FROM audit_events":                                                                        {"a1"},
		"SELECT data FROM audit_events":                                                                      {"not JSON \xff"},
	} {
		rows, err := db.Rows(t.Context(), sql)
		require.NoError(t, err, sql)
		require.Equal(t, want, rows, sql)
	}
}

// Another release's view is replaced, and one that is missing is made.
func TestViewsAreMadeAnew(t *testing.T) {
	path := closedFile(t)
	alter(t, path, "DROP VIEW api_clients; CREATE VIEW api_clients AS SELECT 1 AS old; DROP VIEW audit_events")
	db := openFile(t, path, sqlitestore.Config{})
	rows, err := db.Rows(t.Context(), "SELECT id FROM api_clients UNION ALL SELECT id FROM audit_events")
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, rows)
}

// An Open of a file that is up to date writes nothing.
func TestOpenAgainWritesNothing(t *testing.T) {
	path := closedFile(t)
	before := everything(t, path)
	db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.NoError(t, err)
	_, err = db.Tenant(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.Equal(t, before, everything(t, path))
}

func TestSettings(t *testing.T) {
	db, _ := openTenant(t)
	for sql, want := range map[string]int64{
		"PRAGMA synchronous":        2, // FULL
		"PRAGMA application_id":     sqlitestore.ApplicationID,
		"PRAGMA user_version":       1,
		"PRAGMA trusted_schema":     0,
		"PRAGMA cell_size_check":    1,
		"PRAGMA busy_timeout":       0, // there is a handler instead
		"PRAGMA secure_delete":      0,
		"PRAGMA wal_autocheckpoint": 0,
	} {
		n, err := db.Number(t.Context(), sql)
		require.NoError(t, err)
		require.Equal(t, want, n, sql)
	}
	mode, err := db.Rows(t.Context(), "PRAGMA journal_mode")
	require.NoError(t, err)
	require.Equal(t, []string{"wal"}, mode)
	_, err = db.Rows(t.Context(), "DELETE FROM record")
	require.Error(t, err, "a reader writes nothing")
}

// A later release changes the schema while this one has the file open.
func TestSchemaChangesMeanwhile(t *testing.T) {
	path := closedFile(t)
	db := openFile(t, path, sqlitestore.Config{})
	s := tenant(t, db, "main")
	alter(t, path, "PRAGMA user_version = 1000")
	for range 2 {
		_, err := s.Apply(t.Context(), put("y"))
		require.ErrorIs(t, err, store.ErrNewer)
	}
	require.Equal(t, []string{"x"}, ids(t, s))
	alter(t, path, "PRAGMA user_version = 1")
	putNew(t, s, "y")
}
