package linearizability

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// handles open an empty store by two handles, as two processes would have it, where
// a store can be opened twice.
var handles = map[string]func(t *testing.T) []store.Store{
	"memstore": func(t *testing.T) []store.Store {
		s := memstore.New()
		t.Cleanup(func() { s.Close() })
		return []store.Store{s}
	},
	"SQLite": func(t *testing.T) []store.Store {
		path := filepath.Join(t.TempDir(), "clientele.db")
		return twice(t, func() (database[*sqlitestore.Store], error) {
			return sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		})
	},
	"PostgreSQL": func(t *testing.T) []store.Store {
		url := pgtest.Database(t)
		return twice(t, func() (database[*pgstore.Store], error) {
			return pgstore.Open(t.Context(), url, pgstore.Config{})
		})
	},
}

// A database has tenants.
type database[S store.Store] interface {
	Tenant(ctx context.Context, name string) (S, error)
	Close() error
}

// twice opens the tenant of a database by two handles.
func twice[S store.Store](t *testing.T, open func() (database[S], error)) (both []store.Store) {
	for range 2 {
		db, err := open()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		s, err := db.Tenant(t.Context(), "default")
		require.NoError(t, err)
		both = append(both, s)
	}
	return both
}

func TestEveryStoreIsLinearizable(t *testing.T) {
	const rounds, clients, calls = 5, 6, 40
	for name, open := range handles {
		t.Run(name, func(t *testing.T) {
			all := map[string]int{}
			for range rounds {
				h := load(t, clients, calls, open(t)...)
				require.Len(t, h.operations, clients*calls)
				require.True(t, h.linearizable(t))
				for outcome, n := range h.outcomes() {
					all[outcome] += n
				}
			}
			t.Log(all)
			for _, outcome := range []string{"read", "refused", "two changed", "deleted", "put"} {
				require.Positive(t, all[outcome], outcome)
			}
		})
	}
}
