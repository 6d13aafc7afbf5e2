package pgstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// suite keeps all directories of the suite in one database, each as some tenants
// of it.
func suite(url func(t testing.TB) string, cfg pgstore.Config) storetest.Config {
	return storetest.Config{Open: func(t testing.TB, dir, tenant string) (store.Store, func() error) {
		db, err := pgstore.Open(t.Context(), url(t), cfg)
		require.NoError(t, err)
		s, err := db.Tenant(t.Context(), dir+" "+tenant)
		require.NoError(t, err)
		return s, db.Close
	}}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, suite(pgtest.URL, pgstore.Config{}))
}

// Each directory is a database of its own.
func TestDatabase(t *testing.T) {
	urls := map[string]string{}
	storetest.RunDatabase(t, func(t testing.TB, dir string) storetest.Database[*pgstore.Store] {
		if urls[dir] == "" {
			urls[dir] = pgtest.Database(t)
		}
		return openURL(t, urls[dir], pgstore.Config{})
	})
}

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, suite(pgtest.URL, pgstore.Config{})) }

// The suite again, through PgBouncer in transaction mode: without statements that
// are prepared, and without notifications.
func TestStoreThroughPgBouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("it is the suite a second time")
	}
	t.Parallel()
	// The processes that the suite starts use the same.
	url := sync.OnceValue(func() string { return pgtest.Bouncer(t, pgtest.URL(t)) })
	storetest.Run(t, suite(func(testing.TB) string { return url() }, pgstore.Config{PgBouncer: true, PollInterval: 20 * time.Millisecond}))
}

// What is forgotten is said: a pooler refuses the settings of a connection.
func TestPgBouncerUnannounced(t *testing.T) {
	_, err := pgstore.Open(t.Context(), pgtest.Bouncer(t, pgtest.Database(t)), pgstore.Config{})
	require.ErrorContains(t, err, "see Config.PgBouncer")
}
