package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

// suite opens the same file for every tenant of a directory.
var suite = storetest.Config{Open: func(t testing.TB, dir, tenant string) (store.Store, func() error) {
	db, err := sqlitestore.Open(t.Context(), filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	require.NoError(t, err)
	s, err := db.Tenant(t.Context(), tenant)
	require.NoError(t, err)
	return s, db.Close
}}

func TestStore(t *testing.T) { storetest.Run(t, suite) }

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, suite) }

func TestDatabase(t *testing.T) {
	storetest.RunDatabase(t, func(t testing.TB, dir string) storetest.Database[*sqlitestore.Store] {
		return openFile(t, filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	})
}
