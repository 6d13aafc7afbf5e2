package sqlitestore_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

const mib = 1 << 20

// logSize returns the size of the write-ahead log.
func logSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	require.NoError(t, err)
	return info.Size()
}

// A longRead is a connection that can be kept in a read transaction.
type longRead struct{ c *sqlite3.Conn }

func newLongRead(t *testing.T, path string) longRead {
	t.Helper()
	c, err := sqlite3.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return longRead{c}
}

func (r longRead) begin() error { return r.c.Exec("BEGIN; SELECT count(*) FROM tenant") }
func (r longRead) end() error   { return r.c.Exec("ROLLBACK") }

func TestLogIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes some 350 MiB")
	}
	path := filepath.Join(t.TempDir(), "clientele.db")
	db := openFile(t, path, sqlitestore.Config{})
	s := tenant(t, db, "main")
	// The same records again and again: the file stays small.
	versions := map[string]store.Revision{}
	write := func(mibs int) {
		t.Helper()
		for i := range mibs {
			id := strconv.Itoa(i % 8)
			// Other data than before: SQLite does not write a page that stays as it is.
			data := bytes.Repeat([]byte{byte(versions[id]) + 1}, mib)
			rev, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: id, Version: versions[id], Data: data}))
			require.NoError(t, err)
			versions[id] = rev
		}
	}

	t.Run("it begins anew from time to time", func(t *testing.T) {
		write(50)
		require.Less(t, logSize(t, path), int64(24*mib))
	})
	t.Run("a long read makes it grow, but not for ever", func(t *testing.T) {
		reader := newLongRead(t, path)
		require.NoError(t, reader.begin())
		write(40)
		require.Greater(t, logSize(t, path), int64(40*mib))
		require.NoError(t, reader.end())
		write(60)
		require.Less(t, logSize(t, path), int64(64*mib))
	})
	t.Run("it begins anew although somebody reads at any time", func(t *testing.T) {
		stop, stopped := make(chan struct{}), make(chan error, 1)
		now, next := newLongRead(t, path), newLongRead(t, path)
		require.NoError(t, now.begin())
		go func() {
			for {
				select {
				case <-stop:
					stopped <- now.end()
					return
				case <-time.After(20 * time.Millisecond): // some commits
				}
				if err := next.begin(); err != nil {
					stopped <- err
					return
				}
				if err := now.end(); err != nil {
					stopped <- err
					return
				}
				now, next = next, now
			}
		}()
		write(200)
		close(stop)
		require.NoError(t, receive(t, stopped))
		require.Less(t, logSize(t, path), int64(150*mib))
	})
	check, err := db.Rows(t.Context(), "PRAGMA integrity_check")
	require.NoError(t, err)
	require.Equal(t, []string{"ok"}, check)
}
