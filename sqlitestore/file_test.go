package sqlitestore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

// closedFile returns the path of a database with a record that is closed.
func closedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clientele.db")
	db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.NoError(t, err)
	s := tenant(t, db, "main")
	_, err = s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "x", Data: make([]byte, 20_000)}))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	return path
}

// alter opens the file with SQLite alone and executes statements.
func alter(t *testing.T, path, sql string) {
	t.Helper()
	c, err := sqlite3.Open(path)
	require.NoError(t, err)
	require.NoError(t, c.Exec(sql))
	require.NoError(t, c.Close())
}

func TestOpenRefusesWithoutTouchingAnything(t *testing.T) {
	for _, c := range []struct {
		says    string
		prepare func(t *testing.T) (path string)
		want    error
		message string
	}{
		{"text", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "notes")
			require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("notes\n"), 1000), 0o644))
			return path
		}, sqlitestore.ErrForeign, "not a clientele database"},
		{"a file that is too short for a header", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "short")
			require.NoError(t, os.WriteFile(path, []byte("SQLite format 3\x00"), 0o644))
			return path
		}, sqlitestore.ErrForeign, "not a clientele database"},
		{"another application's database", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "other.db")
			alter(t, path, "CREATE TABLE client (id); PRAGMA application_id = 7; PRAGMA journal_mode = WAL")
			return path
		}, sqlitestore.ErrForeign, "another application (id 0x7)"},
		{"a database without an application", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "other.db")
			alter(t, path, "CREATE TABLE client (id)")
			return path
		}, sqlitestore.ErrForeign, "another application (id 0x0)"},
		{"a schema of a later release", func(t *testing.T) string {
			path := closedFile(t)
			alter(t, path, "PRAGMA user_version = 1000")
			return path
		}, store.ErrNewer, "schema 1000, this release knows 1"},
		{"a schema of a later release with a table missing", func(t *testing.T) string {
			path := closedFile(t)
			alter(t, path, "PRAGMA user_version = 2; DROP TABLE name")
			return path
		}, store.ErrNewer, "schema 2"},
		{"a file that lost its end", func(t *testing.T) string {
			path := closedFile(t)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, info.Size()-4096))
			return path
		}, sqlitestore.ErrCorrupt, "bytes of"},
		{"a directory", func(t *testing.T) string { return t.TempDir() }, sqlitestore.ErrForeign, "not a regular file"},
		{"a directory that is not there", func(t *testing.T) string {
			return filepath.Join(t.TempDir(), "not there", "clientele.db")
		}, fs.ErrNotExist, ""},
		{"a file where the directory should be", func(t *testing.T) string {
			return filepath.Join(closedFile(t), "clientele.db")
		}, syscall.ENOTDIR, ""},
		{"no path", func(*testing.T) string { return "" }, store.ErrInvalid, "no path"},
	} {
		t.Run(c.says, func(t *testing.T) {
			path := c.prepare(t)
			before := everything(t, path)
			db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.message)
			require.ErrorContains(t, err, "sqlitestore: open "+path+": ")
			require.Nil(t, db)
			require.Equal(t, before, everything(t, path))
		})
	}
}

// The log may hold a newer schema than the header of the file.
func TestOpenWhileALaterReleaseHasIt(t *testing.T) {
	path := closedFile(t)
	c, err := sqlite3.Open(path)
	require.NoError(t, err)
	require.NoError(t, c.Exec("PRAGMA user_version = 1000"))
	before := everything(t, path)
	_, err = sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.ErrorIs(t, err, store.ErrNewer)
	after := everything(t, path)
	shm := filepath.Base(path) + "-shm" // says who reads
	delete(before, shm)
	delete(after, shm)
	require.Equal(t, before, after)
	require.NoError(t, c.Close())
}

// everything returns the names and contents of what is in the directory of path.
func everything(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || path == "" {
		return nil
	}
	for _, e := range entries {
		var content []byte
		if e.Type().IsRegular() {
			content, err = os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
			require.NoError(t, err)
		}
		all[e.Name()] = string(content)
	}
	return all
}

func TestOpenRefusesBadConfig(t *testing.T) {
	for says, cfg := range map[string]sqlitestore.Config{
		"a negative BusyTimeout": {BusyTimeout: -1},
		"one reader":             {Readers: 1},
		"negative readers":       {Readers: -1},
		"65 readers":             {Readers: 65},
	} {
		t.Run(says, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clientele.db")
			_, err := sqlitestore.Open(t.Context(), path, cfg)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.NoFileExists(t, path)
		})
	}
	t.Run("a context that is done", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		path := filepath.Join(t.TempDir(), "clientele.db")
		_, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
		require.ErrorIs(t, err, context.Canceled)
		require.NoFileExists(t, path)
	})
}

// A page in the middle that was overwritten is found when it is read, and said.
func TestDamagedPage(t *testing.T) {
	path := closedFile(t)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 4096; i < len(content); i++ {
		content[i] = 0xa5
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
	db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	if err == nil {
		defer db.Close()
		_, err = db.Tenants(t.Context())
	}
	require.ErrorIs(t, err, sqlitestore.ErrCorrupt)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, after), "the file was changed")
}

func TestOpenCreates(t *testing.T) {
	for _, c := range []struct {
		says    string
		prepare func(t *testing.T, path string)
	}{
		{"where there is nothing", func(*testing.T, string) {}},
		{"in an empty file", func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o600)) }},
		{"where a symbolic link leads to an empty file", func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+" itself", nil, 0o600))
			require.NoError(t, os.Symlink(path+" itself", path))
		}},
		{"over a creation that was not finished", func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, make([]byte, 4096), 0o600))
			require.NoError(t, os.WriteFile(path+"-journal", emptyJournal(), 0o600))
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clientele ?%20#.db")
			c.prepare(t, path)
			for range 2 {
				db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
				require.NoError(t, err)
				s := tenant(t, db, "main")
				_, err = s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: "x"}))
				if err != nil {
					require.ErrorIs(t, err, store.ErrExists)
				}
				requireModes(t, filepath.Dir(path))
				require.NoError(t, db.Close())
			}
		})
	}
}

// emptyJournal returns the journal of a transaction on an empty file.
func emptyJournal() []byte {
	j := make([]byte, 512)
	copy(j, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	binary.BigEndian.PutUint32(j[20:], 512)  // sector size
	binary.BigEndian.PutUint32(j[24:], 4096) // page size
	return j
}

func requireModes(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		if info.Mode().IsRegular() {
			require.Equal(t, fs.FileMode(0o600), info.Mode(), e.Name())
		}
	}
	require.GreaterOrEqual(t, len(entries), 3, "the database and the two files beside it")
}

func TestOpenCreatesOnceForAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clientele.db")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := db.Tenant(t.Context(), "main"); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	db := openFile(t, path, sqlitestore.Config{})
	names, err := db.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"main"}, names)
}

// FuzzInspectHeader gives any bytes as the beginning of a file: they are taken
// or refused, and never more.
func FuzzInspectHeader(f *testing.F) {
	good := make([]byte, 100)
	copy(good, "SQLite format 3\x00")
	binary.BigEndian.PutUint16(good[16:], 4096)
	binary.BigEndian.PutUint32(good[28:], 12)
	binary.BigEndian.PutUint32(good[60:], 1)
	binary.BigEndian.PutUint32(good[68:], sqlitestore.ApplicationID)
	size, err := sqlitestore.InspectHeader(good)
	require.NoError(f, err)
	require.EqualValues(f, 12*4096, size)
	f.Add(good)
	f.Add([]byte("SQLite format 3\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, header []byte) {
		size, err := sqlitestore.InspectHeader(header)
		if size < 0 || size > 64<<10<<32 {
			t.Errorf("a size of %d", size)
		}
		if err == nil && (len(header) < 100 || binary.BigEndian.Uint32(header[68:]) != sqlitestore.ApplicationID) {
			t.Errorf("a header of %d bytes was taken for ours", len(header))
		}
		if err != nil && !errors.Is(err, sqlitestore.ErrForeign) && !errors.Is(err, store.ErrNewer) {
			t.Errorf("error %v", err)
		}
	})
}
