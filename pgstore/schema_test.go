package pgstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

func TestViews(t *testing.T) {
	db, s := openTenant(t)
	label := []store.Label{{Key: "team", Value: "payments"}}
	_, err := s.Apply(t.Context(),
		store.Put(store.Record{Kind: "client", ID: "c1", Names: []string{"billing"}, Labels: label, Sort: "billing", Format: 1, Data: []byte(`{"name":"Billing"}`)}),
		store.Append(store.Record{Kind: "token", ID: "t1", Sort: "2026", Expires: time.Date(2026, 7, 1, 12, 0, 0, 5000, time.UTC), Data: []byte(`{}`)}),
		store.Append(store.Record{Kind: "audit", ID: "a1", Data: []byte("not JSON \xff")}),
		store.Append(store.Record{Kind: "audit", ID: "a2", Data: []byte(`{"nul":"\u0000"}`)}),
		store.Append(store.Record{Kind: "audit", ID: "a3"}),
		store.Append(store.Record{Kind: "other", ID: "o1"}),
	)
	require.NoError(t, err)
	putNew(t, tenant(t, db, "other"), "c2")
	for sql, want := range map[string]string{
		"SELECT string_agg(tenant || ' ' || id, ', ' ORDER BY id) FROM @.api_clients":                          "main c1, other c2",
		"SELECT id || ' ' || version || ' ' || sort || ' ' || format FROM @.api_clients WHERE tenant = 'main'": "c1 1 billing 1",
		"SELECT names::text || labels FROM @.api_clients WHERE id = 'c1'":                                      `["billing"][["team", "payments"]]`,
		"SELECT id FROM @.api_clients WHERE labels @> '[[\"team\", \"payments\"]]'":                            "c1",
		"SELECT data ->> 'name' FROM @.api_clients WHERE id = 'c1'":                                            "Billing",
		"SELECT coalesce(expires::text, 'never') FROM @.api_clients WHERE id = 'c1'":                           "never",
		"SELECT to_char(expires AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM @.issued_tokens":          "2026-07-01 12:00:00.000005",
		"SELECT string_agg(id, ',' ORDER BY id) FROM @.audit_events":                                           "a1,a2,a3",
		"SELECT data #>> '{}' FROM @.audit_events WHERE id = 'a1'":                                             `not JSON \377`,
		"SELECT data #>> '{}' FROM @.audit_events WHERE id = 'a2'":                                             `{"nul":"\\u0000"}`,
	} {
		require.Equal(t, want, db.Value(t.Context(), sql), sql)
	}
}

// Several instances start at the same moment: one makes the schema, and all work.
func TestManyOpenAtOnce(t *testing.T) {
	for _, c := range []struct {
		says string
		url  func(url string) string
	}{
		{"one waits for the other", func(url string) string { return url }},
		{"and fails for that, on a server that is serialisable", func(url string) string {
			pgtest.Exec(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$")
			return url
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			url := c.url(pgtest.Database(t))
			const instances = 12
			done := make(chan error)
			for i := range instances {
				go func() {
					db, err := pgstore.Open(t.Context(), url, pgstore.Config{MaxConns: 2})
					if err == nil {
						defer db.Close()
						var s *pgstore.Store
						if s, err = db.Tenant(t.Context(), "main"); err == nil {
							_, err = s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: fmt.Sprint(i)}))
						}
					}
					done <- err
				}()
			}
			for range instances {
				require.NoError(t, receive(t, done))
			}
			db := openURL(t, url, pgstore.Config{})
			require.Len(t, everything(t, tenant(t, db, "main"), store.Query{Kind: "client"}), instances)
			require.Equal(t, fmt.Sprint(pgstore.Newest), db.Value(t.Context(), "SELECT version FROM @.schema"))
		})
	}
}

// A database of an earlier release is brought up to date.
func TestMigrations(t *testing.T) {
	for from := range pgstore.Newest {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			url := pgtest.Database(t)
			require.NoError(t, pgstore.Migrate(t.Context(), url, "clientele", from))
			_, err := pgstore.Open(t.Context(), url, pgstore.Config{SkipMigrations: true})
			require.ErrorContains(t, err, fmt.Sprintf("at version %d, this release needs %d", from, pgstore.Newest))
			putNew(t, tenant(t, openURL(t, url, pgstore.Config{}), "main"), "x")
			putNew(t, tenant(t, openURL(t, url, pgstore.Config{SkipMigrations: true}), "main"), "y")
		})
	}
}

// Two schemas of one database share nothing.
func TestSchemas(t *testing.T) {
	url := pgtest.Database(t)
	a, b := openURL(t, url, pgstore.Config{Schema: "a"}), openURL(t, url, pgstore.Config{Schema: "b"})
	putNew(t, tenant(t, a, "main"), "x")
	names, err := b.Tenants(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	putNew(t, tenant(t, b, "main"), "x")
}

// A later release changes the schema, when this one has the database open.
func TestNewerSchema(t *testing.T) {
	for _, c := range []struct {
		says            string
		version, oldest int
		want            error
	}{
		{"this release goes on beside one that only adds", pgstore.Newest + 1, 1, nil},
		{"also if that needs what this one has just learnt", pgstore.Newest + 5, pgstore.Newest, nil},
		{"but not beside one that it would not survive", pgstore.Newest + 1, pgstore.Newest + 1, store.ErrNewer},
	} {
		t.Run(c.says, func(t *testing.T) {
			url := pgtest.Database(t)
			db := openURL(t, url, pgstore.Config{})
			s := tenant(t, db, "main")
			r := putNew(t, s, "x")
			tenant(t, db, "other")
			db.Exec(t.Context(), fmt.Sprintf("UPDATE @.schema SET version = %d, oldest = %d", c.version, c.oldest))
			for range 2 {
				again, err := pgstore.Open(t.Context(), url, pgstore.Config{})
				require.ErrorIs(t, err, c.want)
				if err == nil {
					require.NoError(t, again.Close())
				}
				v, err := s.Apply(t.Context(), store.Put(r))
				require.ErrorIs(t, err, c.want)
				if err == nil {
					r.Version = v
				}
				_, err = s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: fmt.Sprint(r.Version, time.Now())}))
				require.ErrorIs(t, err, c.want)
				_, err = s.Sweep(t.Context(), day(0), 0)
				require.ErrorIs(t, err, c.want)
				_, err = db.Tenant(t.Context(), fmt.Sprint("new ", time.Now()))
				require.ErrorIs(t, err, c.want)
			}
			require.ErrorIs(t, db.DeleteTenant(t.Context(), "other"), c.want)
			_, err := s.Get(t.Context(), "client", "x")
			require.NoError(t, err, "reading does no harm")
			require.Equal(t, fmt.Sprint(c.version), db.Value(t.Context(), "SELECT version FROM @.schema"), "nobody goes back")
		})
	}
}

// The roles of the package's comment have the rights that they need, and not the
// others.
func TestRoles(t *testing.T) {
	url := pgtest.Database(t)
	owner, program := "owner_of_test", "program_of_test"
	pgtest.Exec(t, url,
		"CREATE ROLE "+owner+" LOGIN PASSWORD 'o'", "CREATE ROLE "+program+" LOGIN PASSWORD 'p'",
		"CREATE SCHEMA clientele AUTHORIZATION "+owner, "GRANT USAGE ON SCHEMA clientele TO "+program,
		"ALTER DEFAULT PRIVILEGES FOR ROLE "+owner+" IN SCHEMA clientele GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "+program,
	)
	t.Cleanup(func() {
		pgtest.Exec(t, url, "DROP OWNED BY "+program, "DROP OWNED BY "+owner, "DROP ROLE "+owner+", "+program)
	})
	_, err := pgstore.Open(t.Context(), pgtest.As(t, url, program, "p"), pgstore.Config{})
	require.ErrorContains(t, err, "may not change schema")
	require.ErrorContains(t, err, "Config.SkipMigrations")
	_, err = pgstore.Open(t.Context(), pgtest.As(t, url, program, "p"), pgstore.Config{SkipMigrations: true})
	require.ErrorContains(t, err, "as the role that owns it")

	db, err := pgstore.Open(t.Context(), pgtest.As(t, url, owner, "o"), pgstore.Config{})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	pgtest.Exec(t, url, "REVOKE INSERT, UPDATE, DELETE ON clientele.schema FROM "+program)

	db = openURL(t, pgtest.As(t, url, program, "p"), pgstore.Config{SkipMigrations: true})
	s := tenant(t, db, "main")
	fill(t, s, 10)
	putNew(t, s, "new")
	sweepAll(t, s)
	_, err = s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: "x", Labels: []store.Label{{Key: "a"}}, Names: []string{"x"}, Text: "x"}))
	require.NoError(t, err)
	since := latest(t, s)
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Changes(t.Context(), since, time.Hour, 0)
		waiting <- err
	}()
	putNew(t, s, "newer")
	require.NoError(t, receive(t, waiting))
	tenant(t, db, "other")
	require.NoError(t, db.DeleteTenant(t.Context(), "other"))
	require.Equal(t, "2", db.Value(t.Context(), "SELECT count(*) FROM @.api_clients"))

	c, err := pgx.Connect(t.Context(), pgtest.As(t, url, program, "p"))
	require.NoError(t, err)
	defer c.Close(t.Context())
	for _, sql := range []string{
		"UPDATE clientele.schema SET version = 1", "DROP TABLE clientele.record", "ALTER TABLE clientele.record ADD x integer",
		"CREATE TABLE clientele.x (a integer)", "TRUNCATE clientele.record", "CREATE SCHEMA other",
	} {
		_, err := c.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "SQLSTATE 42501", sql)
	}
}
